/**
 * A schedule of the same rhythm: phase and run count stay, the next occurrence is worked out under the new bounds. No
 * occurrence that had its run, or its reason, gets another.
 */
import type { Job, Schedule } from '../core/model.ts';
import {
  afterEnd,
  isOneShot,
  neverFires,
  nextIncluded,
  nextOccurrence,
  prevOccurrence,
} from '../core/occurrences/schedule.ts';
import { sameSchedule } from '../core/spec/to-wire.ts';
import { finishedIfDone, hasRunsLeft, withNextAt } from './occurrence.ts';

/**
 * @param job as it is, with all that came due decided
 * @param updated the same under its new version
 * @returns the job afterwards, FINISHED where nothing is left of it; undefined: the bounds leave no occurrence
 */
export function continued(job: Job, updated: Job, now: number): Job | undefined {
  const { schedule } = updated.spec;
  if (isOneShot(schedule) || sameSchedule(job.spec.schedule, schedule)) return withNextAt(updated, job.nextAt);
  const open: Job = { ...updated, state: job.state === 'PAUSED' ? 'PAUSED' : 'SCHEDULED' };
  if (!hasRunsLeft(open)) return finishedIfDone(withNextAt(open, null));
  if (schedule.kind === 'after' || schedule.kind === 'on') {
    return neverFires(schedule, job.anchorAt, now)
      ? undefined
      : withNextAt(open, schedule.kind === 'on' ? schedule.endAt : null);
  }
  const isActive = job.active.length + job.buffered.length > 0;
  const waitsForRun = schedule.kind === 'fixedDelay' && job.nextAt === null && isActive;
  const nextAt = waitsForRun ? null : nextUnder(schedule, job, now);
  return waitsForRun || nextAt !== null ? withNextAt(open, nextAt) : undefined;
}

/** The first occurrence that is not decided, or came up with the new bounds; null: none, or only excluded ones. */
function nextUnder(
  schedule: Extract<Schedule, { kind: 'cron' | 'every' | 'fixedDelay' }>,
  job: Job,
  now: number,
): number | null {
  if (schedule.kind === 'fixedDelay') {
    if (job.nextAt === null) return afterEnd(schedule, now);
    return schedule.endAt !== null && job.nextAt >= schedule.endAt ? null : job.nextAt;
  }
  // A start that its jitter holds back is not decided, though its time has passed. One that goes out early is.
  const waits = job.nextAt !== null && job.nextAt <= now;
  const decidedUntil = waits ? job.nextAt! - 1 : Math.max(now, job.updatedAt, lastDecided(job));
  const nextAt = nextOccurrence(schedule, job.anchorAt, decidedUntil);
  return nextAt === null || nextIncluded(schedule, job.anchorAt, nextAt - 1) === null ? null : nextAt;
}

function lastDecided({ spec, anchorAt, nextAt }: Job): number {
  return (nextAt === null ? null : prevOccurrence(spec.schedule, anchorAt, nextAt)) ?? -Infinity;
}
