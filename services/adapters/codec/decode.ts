/** Reading works the same under both encodings: the first byte tells which one a record has. */
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Ack, Outcome, Rejection } from '../../core/records.ts';
import { MAX_COMMAND_BYTES, decodeJsonCommand } from '../../core/spec/decode-command.ts';
import { fromAvro, isRecord, plain } from './avro-shape.ts';
import type { AvroType, Registry } from './registry.ts';
import { ackFromWire, asIs, asText, outcomeFromWire } from './wire.ts';

/** The first byte of the registry's wire format; four more hold the schema's id. No JSON text begins with it. */
const MAGIC_BYTE = 0;
const HEADER_BYTES = 5;

type Decoded = { value: unknown } | { rejection: Rejection };
const unreadable = (message: string): Decoded => ({ rejection: { code: 'unreadable', message } });

export type Decoders = {
  decodeCommand(bytes: Buffer | null): Promise<Decoded>;
  decodeOutcome(bytes: Buffer): Promise<Outcome>;
  decodeAck(bytes: Buffer): Promise<Ack>;
};

/** @param registry undefined: none is configured, and Avro cannot be read */
export function decoders(registry: Registry | undefined): Decoders {
  return {
    decodeCommand: async (bytes) =>
      bytes?.[0] === MAGIC_BYTE ? decodeAvroCommand(bytes, registry) : decodeJsonCommand(bytes),
    decodeOutcome: async (bytes) =>
      isAvro(bytes) ? outcomeFromWire(await readAvro(bytes, registry), asText) : outcomeFromWire(readJson(bytes), asIs),
    decodeAck: async (bytes) => ackFromWire(isAvro(bytes) ? await readAvro(bytes, registry) : readJson(bytes)),
  };
}

const isAvro = (bytes: Buffer): boolean => bytes[0] === MAGIC_BYTE;
const readJson = (bytes: Buffer): Record<string, unknown> => JSON.parse(bytes.toString()) as Record<string, unknown>;

async function readAvro(bytes: Buffer, registry: Registry | undefined): Promise<Record<string, unknown>> {
  if (registry === undefined)
    throw new BelfryError('config_invalid', 'This Belfry writes Avro: set SCHEMA_REGISTRY_URL.');
  const type = await registry.byId(bytes.readUInt32BE(1));
  return plain(type.fromBuffer(bytes.subarray(HEADER_BYTES))) as Record<string, unknown>;
}

/**
 * Commands are read with the writer's own schema, so that a field which ours lacks is seen, and refused by name.
 * @throws BelfryError `registry_unavailable`: the command may be fine, only its schema cannot be had right now
 */
async function decodeAvroCommand(bytes: Buffer, registry: Registry | undefined): Promise<Decoded> {
  if (bytes.length > MAX_COMMAND_BYTES) {
    return {
      rejection: {
        code: 'too_large',
        message: `a command has at most ${MAX_COMMAND_BYTES} bytes; this one has ${bytes.length}`,
      },
    };
  }
  if (registry === undefined)
    return unreadable(
      'the record is Avro, and this Belfry has no schema registry; set SCHEMA_REGISTRY_URL, or send JSON',
    );
  if (bytes.length < HEADER_BYTES) return unreadable('the record begins like Avro but is too short to name its schema');
  const id = bytes.readUInt32BE(1);
  let type: AvroType;
  try {
    type = await registry.byId(id);
  } catch (error) {
    if (error instanceof BelfryError && error.code !== 'registry_unavailable') {
      const missing = error.code === 'schema_missing';
      return unreadable(
        `the record names schema ${id}, which the registry ${missing ? 'does not have' : 'has in no form that can be used'}`,
      );
    }
    throw error;
  }
  try {
    const value = plain(type.fromBuffer(bytes.subarray(HEADER_BYTES)));
    if (hasForeignText(value, bytes)) return unreadable('the record has text that is not UTF-8');
    return fromAvro(value);
  } catch (error) {
    // Also of values nested so deep that nobody can go through them.
    return unreadable(`the record does not fit its schema ${id}: ${messageOf(error).slice(0, 200)}`);
  }
}

const REPLACEMENT = '\uFFFD';
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/** Whether the reader put U+FFFD for bytes that are not UTF-8: then there are more of them than were sent. */
function hasForeignText(value: unknown, bytes: Buffer): boolean {
  const read = countIn(value);
  if (read === 0) return false;
  let sent = 0;
  for (let at = bytes.indexOf(REPLACEMENT_BYTES); at >= 0; at = bytes.indexOf(REPLACEMENT_BYTES, at + 1)) sent++;
  return read > sent;
}

function countIn(value: unknown): number {
  if (typeof value === 'string') return value.split(REPLACEMENT).length - 1;
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + countIn(each), 0);
  return isRecord(value) ? countIn(Object.entries(value).flat()) : 0;
}
