/** Between a command as users write it and the shape that its Avro schema gives it. */
import type { Rejection } from '../../core/records.ts';

/**
 * What users write again: JSON text is parsed where our schema has free JSON (`payload`, `job.payload`).
 * @param decoded with the writer's schema, which may be anything
 */
export function fromAvro(decoded: unknown): { value: unknown } | { rejection: Rejection } {
  const command = plain(decoded);
  if (!isRecord(command)) return { value: command };
  const field = unpackPayload(command)
    ? isRecord(command.job) && !unpackPayload(command.job)
      ? 'job.payload'
      : undefined
    : 'payload';
  if (field === undefined) return { value: command };
  return { rejection: { code: 'invalid', message: `${field} must be JSON text in Avro`, field } };
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

/** Avro's null is an absent payload; the payload null is the text "null". @returns false when the text is no JSON */
function unpackPayload(record: Record<string, unknown>): boolean {
  if (record.payload === null) delete record.payload;
  if (typeof record.payload !== 'string') return true;
  try {
    record.payload = JSON.parse(record.payload);
    return true;
  } catch {
    return false; // the syntax error would show the payload
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}
