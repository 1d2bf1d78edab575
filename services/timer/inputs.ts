/** What the records of the three topics mean to a timer: read once, before the step that applies them. Nothing throws for what stands in a record. */
import type { Command } from '../core/command.ts';
import type { InternalCommand, NotifyCommand } from '../core/internal-command.ts';
import { EVENT_TYPES, TIMER_SOURCE, TRACKED_HEADER } from '../core/events.ts';
import { messageOf } from '../core/errors.ts';
import { partitionOf } from '../core/murmur2.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { ConsumedRecord, DueRecord, Rejection } from '../core/records.ts';
import type { SpecOptions } from '../core/spec/options.ts';
import { headOf, parseCommand, type CommandHead } from '../core/spec/parse-command.ts';
import { parseInternal } from '../core/spec/parse-internal.ts';
import { jobKey, parseJobKey } from '../core/topics.ts';
import type { Completion } from './completion.ts';

export type Input =
  | { kind: 'command'; command: Command }
  | { kind: 'internal'; command: InternalCommand }
  | { kind: 'retry'; due: DueRecord }
  /** Of an outcome: what it means to its job, null for nothing, and what webhooks are to be sent. */
  | { kind: 'completion'; completion: Completion | null; notices: readonly NotifyCommand[] }
  /** The record belongs to another partition of its topic. */
  | { kind: 'forward'; partition: number }
  | { kind: 'rejected'; rejection: Rejection; head: CommandHead };

export type ReadOptions = { codec: Codec; spec: SpecOptions; partitions: number };

/**
 * Reads a command. A key is not needed, but one that is there must be the job's.
 * @throws BelfryError `registry_unavailable` (retryable)
 */
export async function readCommand(record: ConsumedRecord, { codec, spec, partitions }: ReadOptions): Promise<Input> {
  const elsewhere = record.key === null ? undefined : forwardOf(record.key, record, partitions);
  if (elsewhere !== undefined) return elsewhere;
  const decoded = await codec.decodeCommand(record.value);
  if ('rejection' in decoded) return { kind: 'rejected', rejection: decoded.rejection, head: {} };
  const internal = parseInternal(decoded.value);
  const command = internal ?? parseCommand(decoded.value, spec);
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

/** Reads a retry; a record that is none is refused, since nobody but Belfry should write there. */
export function readRetry(record: ConsumedRecord, partitions: number): Input {
  let due: unknown;
  try {
    due = JSON.parse(record.value?.toString() ?? '');
  } catch (thrown) {
    return notARetry(`it is not JSON: ${messageOf(thrown).slice(0, 200)}`);
  }
  const problem = problemOf(due);
  if (problem !== undefined) return notARetry(problem);
  const retry = due as DueRecord;
  return forwardOf(jobKey(retry.tenant, retry.jobId), record, partitions) ?? { kind: 'retry', due: retry };
}

/**
 * Reads an outcome by its headers alone.
 * @param notices what webhooks are to be sent
 * @returns undefined when neither a timer nor a webhook waits for it
 */
export function readOutcome(record: ConsumedRecord, notices: readonly NotifyCommand[] = []): Input | undefined {
  const completion = readCompletion(record);
  return completion === null && notices.length === 0 ? undefined : { kind: 'completion', completion, notices };
}

function readCompletion({ key, headers }: ConsumedRecord): Completion | null {
  if (headers[TRACKED_HEADER] === undefined || headers.ce_type === EVENT_TYPES.SKIPPED) return null;
  const job = key === null ? undefined : parseJobKey(key.toString());
  const finishedAt = Date.parse(headers.ce_time ?? '');
  if (job === undefined || headers.ce_subject === undefined || Number.isNaN(finishedAt)) return null;
  return { ...job, runId: headers.ce_subject, finishedAt, isNews: headers.ce_source !== TIMER_SOURCE };
}

const TEXTS = [
  'runId',
  'tenant',
  'jobId',
  'type',
  'handler',
  'queue',
  'priority',
  'trigger',
  'cause',
  'idempotencyKey',
] as const;
const WHOLES = ['scheduledFor', 'dueAt', 'attempt', 'cancelGen'] as const;

function problemOf(due: unknown): string | undefined {
  if (typeof due !== 'object' || due === null) return 'it is not an object';
  const fields = due as Record<string, unknown>;
  const text = TEXTS.find((name) => typeof fields[name] !== 'string');
  if (text !== undefined) return `${text} must be text`;
  const whole = WHOLES.find((name) => !Number.isSafeInteger(fields[name]));
  return whole === undefined ? undefined : `${whole} must be a whole number`;
}

function notARetry(problem: string): Input {
  return { kind: 'rejected', rejection: { code: 'invalid', message: `not a retry of a run: ${problem}` }, head: {} };
}
