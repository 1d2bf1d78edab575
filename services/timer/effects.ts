/** What one input does to a partition: made by the pure functions, gathered by the plan of a step. */
import { outcomeOf } from '../core/events.ts';
import type { Job, TerminalStatus } from '../core/model.ts';
import type { Arrival, DecidedRun, TimerKey, TimerRow } from '../core/ports/timer-store.ts';
import type { DeadRun, DueRecord, Outcome } from '../core/records.ts';
import type { Topics } from '../core/topics.ts';

/** A run that starts now. The topic of a KAFKA_MESSAGE is the empty string: it takes the exact lane. */
export type Emission = { topic: string; tenant: string; jobId: string; runId: string; due: string };

/** A run that ends without an executor: a row, an outcome event and, when it failed, a dead run. */
export type EndedRun = { run: DecidedRun; tracked: boolean; traceparent: string | null; dead: DeadRun | null };

export type Effects = {
  /** The job afterwards; undefined: as it was. */
  job?: Job;
  addTimers: TimerRow[];
  removeTimers: TimerKey[];
  dues: Emission[];
  ended: EndedRun[];
  replays: { original: string; replay: string }[];
  arrivals: Arrival[];
  /** Runs that executors are to end. */
  cancelledRuns: string[];
};

/** What every decision is made in. */
export type DecideContext = {
  now: number;
  topics: Topics;
  /** Name of this timer in the outcomes that it decides itself. */
  worker: string;
  /** The waiting retries of the job. */
  retryTimers(): readonly TimerRow[];
  /** Occurrences scheduled anew that had their run: they get no other, and no reason either. */
  existing: ReadonlySet<string>;
};

export function noEffects(): Effects {
  return { addTimers: [], removeTimers: [], dues: [], ended: [], replays: [], arrivals: [], cancelledRuns: [] };
}

/** A run that the timer ends itself, before any attempt. */
export function endedRun(
  due: DueRecord,
  status: TerminalStatus,
  context: Pick<DecideContext, 'now' | 'worker'>,
  details: Partial<Outcome>,
): EndedRun {
  const outcome = { ...outcomeOf(due, status, context.now, context.worker), attempt: 0, ...details };
  const run = { outcome, idempotencyKey: due.idempotencyKey, due: null };
  return { run, tracked: false, traceparent: due.traceparent, dead: null };
}

/** A run whose record can never be written: it failed without a chance to be tried again, and can be replayed. */
export function unpublishable(
  due: DueRecord,
  message: string,
  context: Pick<DecideContext, 'now' | 'worker'>,
): EndedRun {
  const error = { code: 'publish_failed', message };
  const outcome = { ...outcomeOf(due, 'FAILED', context.now, context.worker), error };
  const failure = { attempt: due.attempt, startedAt: null, finishedAt: context.now, worker: context.worker, error };
  const failures = [...due.failures, failure];
  const dead = { due, error, failures, originTopic: null, originPartition: null, originOffset: null };
  return {
    run: { outcome, idempotencyKey: due.idempotencyKey, due },
    tracked: due.tracked,
    traceparent: due.traceparent,
    dead,
  };
}

/** Waiting retries brought forward to now, so that an executor ends them at once: their job's runs were cancelled. */
export function bringForward(retries: readonly TimerRow[], now: number, effects: Effects): void {
  for (const timer of retries) {
    if (timer.fireAt <= now) continue;
    const due = JSON.stringify({ ...(JSON.parse(timer.due) as DueRecord), dueAt: now });
    effects.removeTimers.push(timer);
    effects.addTimers.push({ ...timer, fireAt: now, due });
  }
}

/**
 * Whether an executor's start is all that comes of it: that waits for its time. A skipped occurrence would be told of at once, the
 * others cancelled at once, and a run that waits for others started as soon as those end.
 */
export function isMereStart(before: Job, { dues, ended, job = before }: Effects): boolean {
  const cancelsOrWaits = job.cancelGen !== before.cancelGen || job.buffered !== before.buffered;
  return dues.length > 0 && ended.length === 0 && !cancelsOrWaits;
}
