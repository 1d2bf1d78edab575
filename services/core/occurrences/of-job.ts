/** Occurrences of a job: their ids, and since when they are its own. */
import type { Job } from '../model.ts';
import { runIdOf } from '../run-id.ts';
import { formatInstant } from '../spec/instant.ts';
import { isOneShot, START_GRACE_MS } from './schedule.ts';

/** The id of the run of the occurrence at `scheduledFor`: always the same one. */
export function scheduledRunId({ tenant, jobId }: Pick<Job, 'tenant' | 'jobId'>, scheduledFor: number): string {
  return runIdOf({ tenant, jobId, trigger: 'schedule', cause: formatInstant(scheduledFor), scheduledFor });
}

/** Since when the job has its present schedule; what it counts from where it began with a moment that had just passed. */
export function scheduledSince(job: Job): number {
  const { schedule } = job.spec;
  const startAt = isOneShot(schedule) ? null : schedule.startAt;
  const command = job.appliedCommands?.find(({ type }) => type === 'schedule');
  const unknown = startAt === null ? job.anchorAt : job.createdAt;
  const since = command === undefined ? unknown : (command.since ?? command.at);
  return startAt !== null && startAt < since && startAt >= since - START_GRACE_MS ? startAt : since;
}
