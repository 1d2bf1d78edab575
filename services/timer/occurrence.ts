/** A job's next occurrence and the timer that stands for it. */
import { isOpen, type Job } from '../core/model.ts';
import { deadlineMsOf } from '../core/occurrences/due.ts';
import { jitterFor } from '../core/occurrences/next-start.ts';
import { isOneShot } from '../core/occurrences/schedule.ts';
import type { TimerKey, TimerRow } from '../core/ports/timer-store.ts';
import type { Topics } from '../core/topics.ts';
import { dueTopicOf, makeDue, mustHear, scheduledRun } from './due-record.ts';
import type { Effects } from './effects.ts';

/** The job with its next undecided occurrence; no timer waits for it while the job is paused. */
export function withNextAt(job: Job, nextAt: number | null): Job {
  const waits = nextAt !== null && job.state === 'SCHEDULED';
  return { ...job, nextAt, nextFireAt: waits ? nextAt + jitterFor(job)(nextAt) : null };
}

/** FINISHED as soon as nothing is left to come: no occurrence, no waiting run, no run whose end brings the next one. */
export function finishedIfDone(job: Job): Job {
  const waits = job.nextAt !== null || job.buffered.length > 0 || awaitsOthers(job) || awaitsEvents(job);
  if (!isOpen(job) || waits) return job;
  return { ...job, state: 'FINISHED', pausedAt: null };
}

/** Whether the schedule allows another run. */
export function hasRunsLeft({ spec: { schedule }, runCount }: Job): boolean {
  return isOneShot(schedule) || schedule.maxRuns === null || runCount < schedule.maxRuns;
}

/** Whether the end of a run, its own or an upstream's, brings the next one. */
function awaitsOthers(job: Job): boolean {
  const { kind } = job.spec.schedule;
  return (kind === 'after' || (kind === 'fixedDelay' && job.active.length > 0)) && hasRunsLeft(job);
}

/** One with an end has a `nextAt`: that end. */
function awaitsEvents(job: Job): boolean {
  const { schedule } = job.spec;
  return schedule.kind === 'on' && schedule.endAt === null && hasRunsLeft(job);
}

/** The trace that the run of a one-shot continues; null: none, or the schedule recurs. */
export function traceOf({ spec, appliedCommands = [] }: Job): string | null {
  if (!isOneShot(spec.schedule)) return null;
  return appliedCommands.find(({ type }) => type === 'schedule')?.traceparent ?? null;
}

/**
 * Effects on `timers` when a job changes from `before` to `after`. Whatever changes what the due record in a timer says of
 * its job (`timerOf`) calls this: the timer fires as it was written.
 */
export function retime(
  before: Job | undefined,
  after: Job,
  topics: Topics,
  effects: Effects,
  traceparent: string | null = traceOf(after),
): void {
  const key = before === undefined ? null : timerKeyOf(before);
  if (key !== null) effects.removeTimers.push(key);
  const timer = timerOf(after, topics, traceparent);
  if (timer !== null) effects.addTimers.push(timer);
}

function timerKeyOf(job: Job): TimerKey | null {
  if (job.nextAt === null || job.nextFireAt === null) return null;
  return { partition: job.partition, fireAt: job.nextFireAt, runId: scheduledRun(job, job.nextAt).runId };
}

/**
 * The timer of the job's next occurrence. A one-shot that nobody tracks and that has no deadline carries its due record, so
 * that firing reads nothing; any other is decided from the job, which holds all that its due record needs.
 */
function timerOf(job: Job, topics: Topics, traceparent: string | null): TimerRow | null {
  const { nextAt, nextFireAt, partition, tenant, jobId, spec } = job;
  if (nextAt === null || nextFireAt === null) return null;
  const run = scheduledRun(job, nextAt);
  const place = { partition, fireAt: nextFireAt, runId: run.runId, tenant, jobId };
  const topic = spec.schedule.kind === 'on' ? '' : dueTopicOf(topics, spec);
  const isDecided = isOneShot(spec.schedule) && !mustHear(job) && deadlineMsOf(spec.missed) === null;
  if (!isDecided) return { ...place, kind: 'occurrence', topic, due: '' };
  const due = makeDue(job, run, { dueAt: nextFireAt, traceparent });
  return { ...place, kind: 'once', topic, due: JSON.stringify(due) };
}
