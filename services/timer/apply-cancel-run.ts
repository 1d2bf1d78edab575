/**
 * The cancel of one run; its job and the other runs go on.
 *
 * What a timer holds itself (a run that is buffered, or waits for its time) ends at once. All else is an executor's, or on its way to
 * one: the run is marked in the store, which executors read before they start a run and with each heartbeat. A retry that waits
 * is brought forward, so that an executor ends it now.
 */
import type { CancelRunCommand } from '../core/command.ts';
import { isTerminal, type Job } from '../core/model.ts';
import { scheduledRunId } from '../core/occurrences/of-job.ts';
import type { TimerRow } from '../core/ports/timer-store.ts';
import { scheduledMsOf } from '../core/run-id.ts';
import { rejected, type Applied, type CommandContext } from './applied.ts';
import { makeDue } from './due-record.ts';
import { bringForward, endedRun, noEffects, type Effects } from './effects.ts';
import { finishedIfDone } from './occurrence.ts';
import type { WaitingRun } from './waiting-run.ts';

const CANCELLED = { code: 'cancelled', message: 'the run was cancelled before it started' };

export function applyCancelRun(job: Job | undefined, command: CancelRunCommand, context: CommandContext): Applied {
  const { tenant, jobId, runId } = command;
  const { stored, waiting } = context;
  if (stored !== undefined && (stored.tenant !== tenant || stored.jobId !== jobId)) return unknown();
  if (stored?.status === 'CANCELLED') return { outcome: 'unchanged' };
  if (stored !== undefined && isTerminal(stored.status)) return ended(stored.status);
  if (context.isPublishing(runId)) return rejected('conflict', 'the message of the run is being published already');
  const effects = noEffects();
  if (
    job !== undefined &&
    (endBuffered(job, runId, context, effects) || endWaiting(job, waiting.timer, context, effects))
  )
    return { outcome: 'applied', effects };
  if (stored === undefined && !waiting.isParked && !isDecided(job, runId, context.now)) return unknown();
  const retries = context.retryTimers().filter((timer) => timer.runId === runId);
  bringForward(retries, context.now, effects);
  effects.cancelledRuns.push(runId);
  return { outcome: 'applied', effects };
}

function endBuffered(job: Job, runId: string, context: CommandContext, effects: Effects): boolean {
  const run = job.buffered.find((each) => each.runId === runId);
  if (run === undefined) return false;
  const due = makeDue(job, run, { dueAt: context.now, traceparent: null });
  effects.ended.push(endedRun(due, 'CANCELLED', context, { error: CANCELLED }));
  const buffered = job.buffered.filter((each) => each !== run);
  effects.job = finishedIfDone({ ...job, buffered, updatedAt: context.now });
  return true;
}

function endWaiting(job: Job, timer: TimerRow | undefined, context: CommandContext, effects: Effects): boolean {
  if (timer === undefined) return false;
  const { run, traceparent } = JSON.parse(timer.due) as WaitingRun;
  const due = makeDue(job, run, { dueAt: context.now, traceparent });
  effects.removeTimers.push(timer);
  effects.ended.push(endedRun(due, 'CANCELLED', context, { error: CANCELLED }));
  return true;
}

/** Whether a run without a row is known to be on its way to an executor. */
function isDecided(job: Job | undefined, runId: string, now: number): boolean {
  if (job === undefined) return false;
  if (job.active.some((run) => run.runId === runId)) return true;
  const at = scheduledMsOf(runId);
  return at <= now && (job.nextAt === null || at < job.nextAt) && scheduledRunId(job, at) === runId;
}

function unknown(): Applied {
  return rejected('unknown_run', 'this job has no such run, or none yet');
}

function ended(status: string): Applied {
  return rejected('conflict', `the run is ${status} already: there is nothing to cancel`);
}
