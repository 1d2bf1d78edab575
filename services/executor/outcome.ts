/** From a verdict to what is written, and from what was written to what is published: pure. */
import { retryDelayMs } from '../core/backoff.ts';
import { outcomeOf, storedOutcome, type Records } from '../core/events.ts';
import type { RunRow, Settled, Settlement } from '../core/ports/run-store.ts';
import type { DueRecord, Failure, OutgoingRecord, RunError } from '../core/records.ts';
import type { RunPolicy } from './policy.ts';
import type { Verdict } from './run.ts';
import type { Task, TaskOrigin } from './task.ts';

/** More failures than these are not carried along: a record must stay within what Kafka takes. */
const MOST_FAILURES = 20;

export const LOST: Verdict = failure('lost', 'the worker was lost in the middle of the run');
export const HANDLER_NOT_FOUND: Verdict = failure(
  'handler_not_found',
  'no live executor had the handler for 5 minutes',
);

function failure(code: string, message: string): Verdict {
  return { kind: 'failed', error: { code, message }, retryable: false, retryAfterMs: 0 };
}

/**
 * What is written for a run that came to this verdict.
 * @param random01 decides the jitter of the retry
 */
export function settlementOf(
  task: Task,
  token: number,
  verdict: Verdict,
  policy: RunPolicy,
  random01: number,
): Settlement {
  const { due } = task;
  const ended = {
    runId: due.runId,
    token,
    attempt: due.attempt,
    retryInMs: null,
    result: null,
    resultTruncated: false,
    error: null,
    due: null,
  };
  switch (verdict.kind) {
    case 'committed':
      return verdict.settlement;
    case 'completed':
      return { ...ended, status: 'COMPLETED', result: verdict.result, resultTruncated: verdict.truncated };
    case 'cancelled':
      return {
        ...ended,
        status: 'CANCELLED',
        error: { code: 'cancelled', message: 'the run, or its job, was cancelled' },
      };
    case 'handed_back':
      // What must not be tried twice and has begun can only be given up.
      if (due.delivery === 'at_most_once') return settlementOf(task, token, LOST, policy, random01);
      return { ...ended, status: 'ENQUEUED' };
    case 'failed': {
      if (!verdict.retryable || due.attempt >= policy.maxAttempts)
        return { ...ended, status: 'FAILED', error: verdict.error, due };
      const retryInMs = Math.max(retryDelayMs(policy.retry, due.attempt, random01), verdict.retryAfterMs);
      return { ...ended, status: 'RETRYING', attempt: due.attempt + 1, retryInMs, error: verdict.error };
    }
  }
}

/** The records of a settlement that took effect; none for a run that was handed back. */
export function recordsOf(
  records: Records,
  task: Task,
  settlement: Settlement,
  settled: Settled,
  worker: string,
): OutgoingRecord[] {
  const { due } = task;
  const { status, error } = settlement;
  if (status === 'ENQUEUED') return [];
  const failure = {
    attempt: due.attempt,
    startedAt: settled.startedAt,
    finishedAt: settled.finishedAt,
    worker,
    error: error ?? UNKNOWN,
  };
  if (status === 'RETRYING') return [records.retry(nextAttempt(due, settlement.attempt, settled.retryAt, failure))];
  const { result, resultTruncated } = settlement;
  const outcome = {
    ...outcomeOf(due, status, settled.finishedAt, worker),
    startedAt: settled.startedAt,
    result,
    resultTruncated,
    error,
  };
  const event = records.outcome(outcome, due.tracked || settled.chained, due.traceparent);
  return status === 'FAILED' ? [event, deadRun(records, due, task.origin, failure)] : [event];
}

/** What a run's row says, once more: its outcome, or its next attempt. The ids are those of the first time. */
export function recordsOfRow(records: Records, task: Task, row: RunRow): OutgoingRecord[] {
  const { due } = task;
  const finishedAt = row.finishedAt ?? row.startedAt ?? due.dueAt;
  const attempt = row.status === 'RETRYING' ? row.attempt - 1 : row.attempt;
  const failure = { attempt, startedAt: row.startedAt, finishedAt, worker: row.worker, error: row.error ?? UNKNOWN };
  if (row.status === 'RETRYING') return [records.retry(nextAttempt(due, row.attempt, row.retryAt, failure))];
  // Whether others run after it was told when it was settled, and the answer may have been lost: the timer will know.
  const event = records.outcome(storedOutcome(row, due), true, due.traceparent);
  return row.status === 'FAILED' ? [event, deadRun(records, due, task.origin, failure)] : [event];
}

/** A run without a row, because the store refuses its record: published as failed, so that it is not silently missed. */
export function recordsOfRefused(
  records: Records,
  task: Task,
  error: RunError,
  now: number,
  worker: string,
): OutgoingRecord[] {
  const { due } = task;
  const failure = { attempt: due.attempt, startedAt: null, finishedAt: now, worker, error };
  const outcome = { ...outcomeOf(due, 'FAILED', now, worker), error };
  return [records.outcome(outcome, due.tracked, due.traceparent), deadRun(records, due, task.origin, failure)];
}

const UNKNOWN: RunError = { code: 'handler_error', message: 'unknown' };

function nextAttempt(due: DueRecord, attempt: number, retryAt: number | null, failure: Failure): DueRecord {
  return { ...due, attempt, dueAt: retryAt ?? failure.finishedAt, failures: withFailure(due, failure) };
}

function deadRun(records: Records, due: DueRecord, origin: TaskOrigin | null, failure: Failure): OutgoingRecord {
  return records.deadRun({
    due,
    error: failure.error,
    failures: withFailure(due, failure),
    originTopic: origin?.topic ?? null,
    originPartition: origin?.partition ?? null,
    originOffset: origin === null ? null : String(origin.offset),
  });
}

/** A row read again may be of an attempt whose failure the record carries already. */
function withFailure(due: DueRecord, failure: Failure): Failure[] {
  return [...due.failures.filter((each) => each.attempt !== failure.attempt), failure].slice(-MOST_FAILURES);
}
