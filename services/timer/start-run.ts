/**
 * Overlap: what becomes of a run that is due while others of its job are active.
 *
 * Only tracked runs are known to be active: those of a job whose policy is not `allow` (or whose schedule is a fixed
 * delay, or that others run after), and those that a trigger started under a policy of its own.
 */
import type { BufferedRun, Job, Overlap } from '../core/model.ts';
import { emissionOf, makeDue, mustHear, type DueOptions } from './due-record.ts';
import { bringForward, endedRun, type DecideContext, type Effects } from './effects.ts';

const MAX_BUFFERED = 1_000;

/**
 * Starts a run, lets it wait, or skips it.
 * @param overlap the policy that holds for this run
 * @returns the job afterwards; what else happens is added to `effects`
 */
export function startRun(
  job: Job,
  run: BufferedRun,
  overlap: Overlap,
  due: DueOptions,
  context: DecideContext,
  effects: Effects,
): Job {
  if (context.existing.has(run.runId) || job.active.some(({ runId }) => runId === run.runId)) return job;
  switch (verdict(job, overlap)) {
    case 'skip': {
      effects.ended.push(endedRun(makeDue(job, run, due), 'SKIPPED', context, { reason: 'overlap' }));
      return job;
    }
    case 'buffer':
      return { ...job, buffered: [...job.buffered, run] };
    case 'cancelOthers': {
      bringForward(context.retryTimers(), context.now, effects);
      return begin({ ...job, cancelGen: job.cancelGen + 1 }, run, overlap, due, context, effects);
    }
    case 'start':
      return begin(job, run, overlap, due, context, effects);
  }
}

/** Starts the run that waited longest, if nothing is active any more. */
export function startBuffered(job: Job, context: DecideContext, effects: Effects): Job {
  const [next, ...rest] = job.buffered;
  if (next === undefined || job.active.length > 0) return job;
  const due = { dueAt: context.now, traceparent: null, tracked: true };
  const after = startRun({ ...job, buffered: rest }, next, 'allow', due, context, effects);
  return after.active.length > 0 ? after : startBuffered(after, context, effects);
}

function begin(
  job: Job,
  run: BufferedRun,
  overlap: Overlap,
  options: DueOptions,
  context: DecideContext,
  effects: Effects,
): Job {
  const tracked = options.tracked === true || overlap !== 'allow' || mustHear(job);
  effects.dues.push(emissionOf(context.topics, makeDue(job, run, { ...options, tracked })));
  if (!tracked || job.active.some(({ runId }) => runId === run.runId)) return job;
  return { ...job, active: [...job.active, { runId: run.runId, since: context.now }] };
}

function verdict(job: Job, overlap: Overlap): 'start' | 'skip' | 'buffer' | 'cancelOthers' {
  if (job.active.length === 0 && job.buffered.length === 0) return 'start';
  switch (overlap) {
    case 'allow':
      return 'start';
    case 'skip':
      return 'skip';
    case 'buffer_one':
      return job.buffered.length === 0 ? 'buffer' : 'skip';
    case 'buffer_all':
      return job.buffered.length < MAX_BUFFERED ? 'buffer' : 'skip';
    case 'cancel_running':
      return 'cancelOthers';
  }
}
