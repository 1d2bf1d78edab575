import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Codec } from '../../core/ports/codec.ts';
import type { Topics } from '../../core/topics.ts';
import { toAvro } from './avro-shape.ts';
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
    encodeCommand: (value) => frame(command, toAvro(value)),
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
