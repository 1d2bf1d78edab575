/** What the records of the three topics mean to a timer: read once, before the step that applies them. Nothing throws for what stands in a record. */
import type { Command, ScheduleCommand } from '../core/command.ts';
import type { InternalCommand, NotifyCommand } from '../core/internal-command.ts';
import { readDue } from '../core/internal/due.ts';
import { readOutcomeHead } from '../core/internal/outcome.ts';
import { partitionOf } from '../core/murmur2.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { ConsumedRecord, DueRecord, Rejection } from '../core/records.ts';
import type { SpecOptions } from '../core/spec/options.ts';
import { headOf, parseRecord, type CommandHead } from '../core/spec/parse-command.ts';
import { checkPayload } from '../core/spec/payload.ts';
import { parseInternal } from '../core/spec/parse-internal.ts';
import { jobKey } from '../core/topics.ts';
import type { Completion } from './completion.ts';

export type Input =
  | { kind: 'command'; command: Command }
  | { kind: 'internal'; command: InternalCommand }
  | { kind: 'retry'; due: DueRecord }
  /** Of an outcome: what it means to its job, null for nothing, and what webhooks are to be sent. */
  | { kind: 'completion'; completion: Completion | null; notices: readonly NotifyCommand[] }
  /** The record belongs to another partition of its topic. */
  | { kind: 'forward'; partition: number }
  /** Jobs that it runs after are missing: it waits for them, or is rejected where there is no room. */
  | { kind: 'waits'; command: ScheduleCommand; missing: readonly string[]; rejection: Rejection }
  | { kind: 'rejected'; rejection: Rejection; head: CommandHead };

export type ReadOptions = { codec: Codec; spec: SpecOptions; partitions: number };

/**
 * Reads a command. A key is not needed, but one that is there must be the job's.
 * @param mark says that the event loop is at this record
 * @throws BelfryError `registry_unavailable` (retryable)
 */
export async function readCommand(
  record: ConsumedRecord,
  { codec, spec, partitions }: ReadOptions,
  mark = (): void => undefined,
): Promise<Input> {
  const elsewhere = record.key === null ? undefined : forwardOf(record.key, record, partitions);
  if (elsewhere !== undefined) return elsewhere;
  mark();
  const decoded = await codec.decodeCommand(record.value);
  mark(); // others may have been read meanwhile
  if ('rejection' in decoded) return { kind: 'rejected', rejection: decoded.rejection, head: {} };
  const internal = parseInternal(decoded.value);
  const command = internal ?? parseRecord(decoded.value, spec);
  if ('rejection' in command) return { kind: 'rejected', rejection: command.rejection, head: headOf(decoded.value) };
  const key = jobKey(command.tenant, command.jobId);
  if (record.key !== null && record.key.toString() !== key) {
    const message = `the key of the record is not the ${command.type === 'emit' ? "event's" : "job's"}: ${key}`;
    return { kind: 'rejected', rejection: { code: 'key_mismatch', message }, head: headOf(decoded.value) };
  }
  const misplaced = record.key === null ? forwardOf(key, record, partitions) : undefined;
  return misplaced ?? (isInternal(command) ? { kind: 'internal', command } : { kind: 'command', command });
}

/** Where a record belongs that has, or should have, this key; undefined: here. */
function forwardOf(key: string | Buffer, { partition: here }: ConsumedRecord, partitions: number): Input | undefined {
  const partition = partitionOf(key, partitions);
  return partition === here ? undefined : { kind: 'forward', partition };
}

function isInternal(command: Command | InternalCommand): command is InternalCommand {
  return command.type === 'deliver' || command.type === 'fanOut' || command.type === 'notify';
}

/** Reads a retry; what is none is refused, since nobody but Belfry should write there. */
export function readRetry(record: ConsumedRecord, { partitions, spec }: Omit<ReadOptions, 'codec'>): Input {
  const read = readDue(record.value);
  if ('rejection' in read) return { kind: 'rejected', rejection: read.rejection, head: {} };
  const { due } = read;
  // Messages have no retries, so nobody checked this one's payload; what the exact lane cannot publish would stop it.
  const rejection = due.type === 'KAFKA_MESSAGE' ? checkPayload(due.type, due.payload, spec, ['payload']) : undefined;
  if (rejection !== undefined) return { kind: 'rejected', rejection, head: {} };
  return forwardOf(jobKey(due.tenant, due.jobId), record, partitions) ?? { kind: 'retry', due };
}

/**
 * Reads an outcome by its headers alone.
 * @param notices what webhooks are to be sent
 * @returns undefined when neither a timer nor a webhook waits for it
 */
export function readOutcome(record: ConsumedRecord, notices: readonly NotifyCommand[] = []): Input | undefined {
  const head = readOutcomeHead(record);
  if (head !== undefined && 'problem' in head) {
    const rejection = { code: 'invalid', message: `not an outcome of a run: ${head.problem}` } as const;
    return { kind: 'rejected', rejection, head: {} };
  }
  if (head === undefined) return notices.length === 0 ? undefined : { kind: 'completion', completion: null, notices };
  const { isTimers, ...rest } = head;
  return { kind: 'completion', completion: { ...rest, isNews: !isTimers }, notices };
}
