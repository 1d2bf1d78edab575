import type { Ack, DeadRun, Outcome, Rejection } from '../records.ts';

/**
 * Bytes of the public records. The encoding of what goes out (`json` or `avro`) is chosen at migration; commands are read
 * in both, told apart by Avro's magic byte.
 */
export interface Codec {
  readonly contentType: string;
  encodeOutcome(outcome: Outcome): Buffer;
  encodeDeadRun(dead: DeadRun): Buffer;
  encodeAck(ack: Ack): Buffer;
  decodeOutcome(bytes: Buffer): Promise<Outcome>;
  decodeAck(bytes: Buffer): Promise<Ack>;
  /** A command's plain value (not yet validated), or why it cannot be read. Throws only `registry_unavailable` (retryable). */
  decodeCommand(bytes: Buffer | null): Promise<{ value: unknown } | { rejection: Rejection }>;
  /** For clients: a command's bytes in the chosen encoding. */
  encodeCommand(value: object): Buffer;
}
