/** A timer that cannot be fired: its run ends FAILED, with a dead run that can be replayed, and its job goes on to its next occurrence. */
import type { Job } from '../core/model.ts';
import { afterEnd, isOneShot, nextOccurrence } from '../core/occurrences/schedule.ts';
import type { TimerRow } from '../core/ports/timer-store.ts';
import type { DueRecord } from '../core/records.ts';
import { makeDue, scheduledRun } from './due-record.ts';
import { noEffects, unpublishable, type DecideContext, type Effects } from './effects.ts';
import { finishedIfDone, hasRunsLeft, retime, withNextAt } from './occurrence.ts';
import type { WaitingRun } from './waiting-run.ts';

/**
 * @param timer of any kind but `retry`, whose run has a row already
 * @param job as it is stored; undefined where it is gone, or was not needed
 * @param reason why the timer cannot be fired
 */
export function failTimer(timer: TimerRow, job: Job | undefined, reason: string, context: DecideContext): Effects {
  const effects = noEffects();
  const due = dueOf(timer, job);
  if (due === undefined) return effects;
  effects.ended.push(unpublishable(due, `the run could not be started: ${reason}`, context));
  return timer.kind === 'occurrence' ? { ...effects, ...goOn(job!, effects, context) } : effects;
}

function dueOf({ kind, fireAt: dueAt, due }: TimerRow, job: Job | undefined): DueRecord | undefined {
  if (kind === 'once') return JSON.parse(due) as DueRecord;
  if (job === undefined) return undefined;
  if (kind === 'run') return makeDue(job, (JSON.parse(due) as WaitingRun).run, { dueAt, traceparent: null });
  return job.nextAt === null ? undefined : makeDue(job, scheduledRun(job, job.nextAt), { dueAt, traceparent: null });
}

/** The occurrence counts as one that had its run. */
function goOn(job: Job, effects: Effects, { now, topics }: DecideContext): Pick<Effects, 'job'> {
  const counted = { ...job, runCount: job.runCount + 1, updatedAt: now };
  const after = finishedIfDone(withNextAt(counted, hasRunsLeft(counted) ? nextAt(counted, now) : null));
  retime(undefined, after, topics, effects);
  return { job: after };
}

function nextAt({ spec: { schedule }, anchorAt, nextAt: at }: Job, now: number): number | null {
  if (isOneShot(schedule) || schedule.kind === 'on' || schedule.kind === 'after') return null;
  return schedule.kind === 'fixedDelay' ? afterEnd(schedule, now) : nextOccurrence(schedule, anchorAt, at!);
}
