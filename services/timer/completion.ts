/** What the end of a run means for its job. */
import { isOpen, type Job } from '../core/model.ts';
import { afterEnd } from '../core/occurrences/schedule.ts';
import { noEffects, type DecideContext, type Effects } from './effects.ts';
import { finishedIfDone, hasRunsLeft, retime, withNextAt } from './occurrence.ts';
import { startBuffered } from './start-run.ts';

export type Completion = {
  tenant: string;
  jobId: string;
  runId: string;
  finishedAt: number;
  /** Whether its job's downstreams hear of it now; those of ends that a timer wrote heard in the step that wrote them. */
  isNews: boolean;
};

/**
 * Takes a run out of its job's active ones; then the next waiting run starts, and a fixed delay knows its next
 * occurrence. Outcomes may come twice: one whose run is not active changes nothing.
 */
export function applyCompletion(
  job: Job,
  { runId, finishedAt }: Pick<Completion, 'runId' | 'finishedAt'>,
  context: DecideContext,
): Effects {
  const effects = noEffects();
  if (!job.active.some((run) => run.runId === runId)) return effects;
  const rest = { ...job, active: job.active.filter((run) => run.runId !== runId), updatedAt: context.now };
  const started = startBuffered(rest, context, effects);
  const after = finishedIfDone(withNextDelay(started, finishedAt));
  if (after.nextAt !== job.nextAt) retime(job, after, context.topics, effects);
  return { ...effects, job: after };
}

function withNextDelay(job: Job, finishedAt: number): Job {
  const { schedule } = job.spec;
  if (schedule.kind !== 'fixedDelay' || !isOpen(job) || job.nextAt !== null || job.active.length > 0) return job;
  return hasRunsLeft(job) ? withNextAt(job, afterEnd(schedule, finishedAt)) : job;
}
