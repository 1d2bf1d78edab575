/** Between a command as users write it and the shape that its Avro schema gives it. */
import type { Rejection } from '../../core/records.ts';
import { readJson } from '../../core/spec/json.ts';
import { invalid, type Path } from '../../core/spec/problems.ts';

/**
 * What users write again: JSON text is parsed where our schema has free JSON (`payload`, `job.payload`).
 * @param command read with the writer's schema, which may be anything; plain objects, which are changed
 */
export function fromAvro(command: unknown): { value: unknown } | { rejection: Rejection } {
  if (!isRecord(command)) return { value: command };
  const rejection =
    unpackPayload(command, ['payload']) ??
    (isRecord(command.job) ? unpackPayload(command.job, ['job', 'payload']) : undefined);
  return rejection === undefined ? { value: command } : { rejection };
}

/** The other way: JSON text for free JSON. What is absent stays so: the schema's defaults are null. */
export function toAvro(command: object): object {
  const packed: Record<string, unknown> = { ...command };
  if (packed.type === 'emit') packed.jobId = packed.event; // the schema has a jobId in every command
  if (isRecord(packed.job)) packed.job = packPayload(packed.job);
  return packPayload(packed);
}

/** avsc's records as plain objects. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

function packPayload(record: Record<string, unknown>): Record<string, unknown> {
  return record.payload === undefined ? record : { ...record, payload: JSON.stringify(record.payload) };
}

/** Avro's null is an absent payload; the payload null is the text "null". @param path where the payload stands */
function unpackPayload(record: Record<string, unknown>, path: Path): Rejection | undefined {
  if (record.payload === null) delete record.payload;
  if (typeof record.payload !== 'string') return undefined;
  const read = readJson(record.payload);
  if ('fault' in read) {
    const { code, path: within, message } = read.fault;
    // The syntax error would show the payload.
    return code === 'unreadable' ? invalid(path, 'must be JSON text in Avro') : invalid([...path, ...within], message);
  }
  record.payload = read.value;
  return undefined;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}
