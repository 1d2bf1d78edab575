/**
 * Runs that are decided and wait for their time: those of events and of backfills. Each is a row of `timers` of its own, of kind
 * `run`; overlap and pause are judged when it strikes.
 *
 * Invariant: a run starts only under the schedule that made it. A cancel or another schedule leaves the row where it is; when it
 * strikes, its run ends CANCELLED.
 */
import type { BufferedRun, Job, Overlap } from '../core/model.ts';
import type { TimerRow } from '../core/ports/timer-store.ts';
import { makeDue } from './due-record.ts';
import { endedRun, noEffects, type DecideContext, type Effects } from './effects.ts';
import { finishedIfDone, hasRunsLeft, retime, withNextAt } from './occurrence.ts';
import { startRun } from './start-run.ts';

export type WaitingRun = {
  run: BufferedRun;
  /** Names the schedule that the run belongs to. */
  anchorAt: number;
  /** The policy that holds for this run; null: the job's, as it then is. */
  overlap: Overlap | null;
  traceparent: string | null;
};

const CANCELLED = { code: 'cancelled', message: 'the job was cancelled, or scheduled anew, before the run started' };

export function waitingRun({ tenant, jobId }: Job, fireAt: number, waiting: WaitingRun, partition: number): TimerRow {
  const place = { partition, fireAt, runId: waiting.run.runId, tenant, jobId };
  return { ...place, kind: 'run', topic: '', due: JSON.stringify(waiting) };
}

/** The time of a waiting run has come. */
export function fireWaiting(job: Job, timer: TimerRow, context: DecideContext): Effects {
  const { run, anchorAt, overlap, traceparent } = JSON.parse(timer.due) as WaitingRun;
  const effects = noEffects();
  const isBackfill = run.origin.trigger === 'backfill';
  const due = { dueAt: isBackfill ? timer.fireAt : run.scheduledFor, traceparent };
  if (job.state === 'CANCELLED' || anchorAt !== job.anchorAt) {
    effects.ended.push(endedRun(makeDue(job, run, due), 'CANCELLED', context, { error: CANCELLED }));
    return effects;
  }
  if (isBackfill) {
    const after = startRun(job, run, overlap ?? job.spec.overlap, due, context, effects);
    return { ...effects, job: { ...after, updatedAt: context.now } };
  }
  if (job.state === 'FINISHED') return effects;
  if (job.state === 'PAUSED') {
    effects.ended.push(endedRun(makeDue(job, run, due), 'SKIPPED', context, { reason: 'paused' }));
    return effects;
  }
  const started = startRun(job, run, overlap ?? job.spec.overlap, due, context, effects);
  const isSkipped = effects.ended.length > 0;
  const counted = { ...started, runCount: started.runCount + (isSkipped ? 0 : 1), updatedAt: context.now };
  // After the last run that maxRuns allows there is no end to wait for.
  const after = finishedIfDone(hasRunsLeft(counted) ? counted : withNextAt(counted, null));
  if (after.nextAt !== job.nextAt) retime(job, after, context.topics, effects);
  return { ...effects, job: after };
}
