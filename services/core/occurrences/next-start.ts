/** When the next run of a job starts: what answers, lists and pages call `nextFireAt`. */
import type { Job } from '../model.ts';
import { jobKey } from '../topics.ts';
import { isOneShot, jitterOf, nextIncluded } from './schedule.ts';

/** By how much an occurrence of the job starts later than scheduled. */
export function jitterFor({ tenant, jobId, spec }: Job): (scheduledFor: number) => number {
  const jitterMs = isOneShot(spec.schedule) ? 0 : spec.schedule.jitterMs;
  return (scheduledFor) => (jitterMs === 0 ? 0 : jitterOf(jitterMs, jobKey(tenant, jobId), scheduledFor));
}

/**
 * The next moment at which the job really starts a run, excluded occurrences passed over and jitter included; null when
 * there is none or it is not known yet. Its timer (`job.nextFireAt`) may strike before, for what is only skipped.
 */
export function nextStartAt(job: Job): number | null {
  if (job.nextAt === null || job.state !== 'SCHEDULED') return null;
  const { schedule } = job.spec;
  if (schedule.kind === 'on') return null;
  const at = isOneShot(schedule) ? job.nextAt : nextFrom(job, job.nextAt);
  return at === null ? null : at + jitterFor(job)(at);
}

function nextFrom({ spec: { schedule }, anchorAt }: Job, nextAt: number): number | null {
  // Of a fixed delay only the occurrence at hand is known.
  return schedule.kind === 'fixedDelay' ? nextAt : nextIncluded(schedule, anchorAt, nextAt - 1);
}
