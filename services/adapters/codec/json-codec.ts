import type { Codec } from '../../core/ports/codec.ts';
import { decoders } from './decode.ts';
import type { Registry } from './registry.ts';
import { ackToWire, asIs, deadRunToWire, outcomeToWire } from './wire.ts';

const text = (value: object): Buffer => Buffer.from(JSON.stringify(value));

/** Writes JSON; reads both encodings where there is a registry. */
export function jsonCodec(registry?: Registry): Codec {
  return {
    contentType: 'application/json',
    encodeOutcome: (outcome) => text(outcomeToWire(outcome, asIs)),
    encodeDeadRun: (dead) => text(deadRunToWire(dead, asIs)),
    encodeAck: (ack) => text(ackToWire(ack)),
    encodeCommand: text,
    ...decoders(registry),
  };
}
