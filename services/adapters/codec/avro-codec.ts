import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Codec } from '../../core/ports/codec.ts';
import type { Topics } from '../../core/topics.ts';
import { fieldOf, unknownField } from '../../core/spec/problems.ts';
import { isRecord, toAvro } from './avro-shape.ts';
import { decoders } from './decode.ts';
import { subjectsOf, type AvroType, type Registry } from './registry.ts';
import { ackToWire, asText, deadRunToWire, outcomeToWire } from './wire.ts';

/**
 * Writes Avro with the schemas that the migration registered; reads both encodings.
 * @throws BelfryError `registry_unavailable`, `schema_missing`
 */
export async function openAvroCodec(registry: Registry, topics: Topics): Promise<Codec> {
  const subjects = subjectsOf(topics);
  const [command, outcome, dead, ack] = await Promise.all([
    registry.own('command', subjects.command),
    registry.own('run-outcome', subjects['run-outcome']),
    registry.own('dead-run', subjects['dead-run']),
    registry.own('command-ack', subjects['command-ack']),
  ]);
  return {
    contentType: 'application/vnd.confluent.avro',
    encodeOutcome: (value) => frame(outcome, outcomeToWire(value, asText)),
    encodeDeadRun: (value) => frame(dead, deadRunToWire(value, asText)),
    encodeAck: (value) => frame(ack, ackToWire(value)),
    encodeCommand: (value) => {
      const shaped = toAvro(value);
      refuseUnknownFields(command.type, shaped);
      return frame(command, shaped);
    },
    ...decoders(registry),
  };
}

/** The registry's wire format: a zero byte, the schema's id in four, the Avro. */
function frame({ id, type }: { id: number; type: AvroType }, value: object): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(id, 1);
  try {
    return Buffer.concat([header, type.toBuffer(value)]);
  } catch (cause) {
    throw new BelfryError('invalid', `The record does not fit its Avro schema: ${messageOf(cause)}`, { cause });
  }
}

/** Encoding would leave them out without a word, and a mistyped `timeout` would be none. */
function refuseUnknownFields(type: AvroType, value: object): void {
  type.isValid(value, {
    noUndeclaredFields: true,
    errorHook: (path, part, { fields }) => {
      const known = fields?.map(({ name }) => name);
      const unknown = known && isRecord(part) ? Object.keys(part).find((key) => !known.includes(key)) : undefined;
      const field = fieldOf(unknown === undefined ? path : [...path, unknown]);
      const what = known && unknown !== undefined ? unknownField(unknown, 'a command', known) : 'has the wrong type';
      throw new BelfryError('invalid', `${field} ${what}`, { field });
    },
  });
}
