/**
 * The one validator of due and retry records, for every reader: executors and timers.
 *
 * A record is either identified, or garbage. Words of closed sets that this release does not know (a job type, a priority) and
 * fields that it does not know are no garbage: a newer release wrote them. They are carried as they are, and whoever cannot run
 * such a record hands it to somebody who can.
 */
import { messageOf } from '../errors.ts';
import type { DueRecord, Rejection } from '../records.ts';
import { JOB_ID, QUEUE, TENANT, type NameRule } from '../spec/names.ts';
import {
  MAX_INT4,
  MAX_RECORD_DEPTH,
  amount,
  duration,
  firstProblem,
  isDeeperThan,
  isRecord,
  listOf,
  mapOf,
  objectOf,
  optional,
  orNull,
  range,
  text,
  time,
  uuid,
  word,
  type Rule,
} from './values.ts';

/** PostgreSQL indexes names of handlers: an entry has room for so many. */
const NAME = text(512);
const LABEL = text(4_096);
const MESSAGE = text(64 * 1024);

const named = (rule: NameRule): Rule => ({
  allowed: rule.allowed,
  holds: (value) => typeof value === 'string' && rule.holds(value),
});

/** The next attempt must fit, too. */
const attempt = range(1, MAX_INT4 - 1);

const RULES: readonly (readonly [string, Rule])[] = Object.entries({
  runId: uuid,
  tenant: named(TENANT),
  jobId: named(JOB_ID),
  jobVersion: range(0, MAX_INT4),
  type: word,
  handler: NAME,
  queue: named(QUEUE),
  priority: word,
  labels: mapOf(LABEL),
  trigger: word,
  cause: text(16 * 1024),
  replayOf: optional(uuid),
  idempotencyKey: uuid,
  scheduledFor: time,
  dueAt: time,
  attempt,
  retry: objectOf({
    maxRetries: range(0, MAX_INT4 - 1),
    initialDelayMs: duration,
    factor: amount(0, 1_000_000),
    maxDelayMs: duration,
    jitter: amount(0, 1),
  }),
  timeoutMs: duration,
  explicit: optional(listOf(NAME)),
  delivery: word,
  cancelGen: range(0, MAX_INT4),
  concurrencyKey: optional(objectOf({ key: NAME, limit: range(1, MAX_INT4) })),
  failures: listOf(
    objectOf({
      attempt,
      startedAt: orNull(time),
      finishedAt: time,
      worker: text(4_096),
      error: objectOf({ code: NAME, message: MESSAGE }),
    }),
  ),
  traceparent: optional(text(512)),
  upstream: optional(listOf(objectOf({ jobId: named(JOB_ID), runId: uuid, status: word }))),
  event: optional(objectOf({ name: NAME, id: NAME })),
});

/** Shorter JSON cannot be too deep. */
const FLAT_BYTES = 2 * MAX_RECORD_DEPTH;

/**
 * Reads the value of a due or retry record. Never throws, whatever it is.
 * @returns the record, or why it is none: `unreadable` or `invalid`
 */
export function readDue(value: Buffer | null): { due: DueRecord } | { rejection: Rejection } {
  if (value === null || value.length === 0) return garbage('unreadable', 'it is empty');
  let read: unknown;
  try {
    read = JSON.parse(value.toString());
  } catch (thrown) {
    return garbage('unreadable', `it is not JSON: ${messageOf(thrown).slice(0, 200)}`);
  }
  if (!isRecord(read)) return garbage('invalid', 'it is not an object');
  const problem = firstProblem(read, RULES);
  if (problem !== undefined) return garbage('invalid', problem);
  if (value.length >= FLAT_BYTES && isDeeperThan(MAX_RECORD_DEPTH, read))
    return garbage('invalid', `it is nested deeper than ${MAX_RECORD_DEPTH} levels`);
  return { due: read as DueRecord };
}

function garbage(code: 'unreadable' | 'invalid', why: string): { rejection: Rejection } {
  return { rejection: { code, message: `not a record of a run: ${why}` } };
}
