/**
 * When a schedule occurs; events (`on`) come without one, and have no occurrences here. Excluded occurrences are included here, since each of them gets a row that says so.
 *
 * `anchorAt` is what `anchorOf` gave when the schedule was applied; `every` and `in` count from it. A schedule has no
 * occurrence before it was applied, except that a `startAt` of a moment ago still is the first one. A chain (`after`) has none:
 * its runs come from the ends of others.
 */
import type { Schedule } from '../model.ts';
import { partitionHash } from '../murmur2.ts';
import { cronNext, cronPrev } from './cron.ts';
import { excludedSpanAt } from './exclude.ts';

export { isExcluded } from './exclude.ts';

export type OneShot = Extract<Schedule, { kind: 'at' | 'in' }>;
export type Recurring = Exclude<Schedule, OneShot>;

/** A client that writes "start now" is always a little behind when its command is applied. */
export const START_GRACE_MS = 60_000;

export function isOneShot(schedule: Schedule): schedule is OneShot {
  return schedule.kind === 'at' || schedule.kind === 'in';
}

/**
 * The instant that a schedule counts from.
 * @param appliedAt when it was applied; for `in`, the Kafka timestamp of the command, not later than now
 */
export function anchorOf(schedule: Schedule, appliedAt: number): number {
  return isOneShot(schedule) ? appliedAt : (schedule.startAt ?? appliedAt);
}

/**
 * The first occurrence of a schedule that is applied at `appliedAt`; null when there is none. An `at` may lie in the past.
 * @param decidedUntil up to this instant the job's occurrences may have been decided under a former schedule: an occurrence
 *   that had its run or its reason gets no other
 */
export function firstOccurrence(
  schedule: Schedule,
  anchorAt: number,
  appliedAt: number,
  decidedUntil = -Infinity,
): number | null {
  if (isOneShot(schedule)) return instantOf(schedule, anchorAt);
  if (schedule.kind === 'after' || schedule.kind === 'on') return null;
  const { startAt } = schedule;
  if (startAt === null) return nextOccurrence(schedule, anchorAt, appliedAt);
  const isRecent = startAt >= appliedAt - START_GRACE_MS && (startAt > decidedUntil || startAt > appliedAt);
  const from = isRecent ? startAt : appliedAt;
  return schedule.kind === 'fixedDelay' ? beforeEnd(schedule, from) : nextOccurrence(schedule, anchorAt, from - 1);
}

/** The first occurrence strictly after `after`; null when there is none, or (fixedDelay) when it depends on a run's end. */
export function nextOccurrence(schedule: Schedule, anchorAt: number, after: number): number | null {
  if (isOneShot(schedule)) {
    const at = instantOf(schedule, anchorAt);
    return at > after ? at : null;
  }
  if (schedule.kind === 'after' || schedule.kind === 'on') return null;
  const first = earliest(schedule, anchorAt);
  if (schedule.kind === 'cron') {
    const next = cronNext(schedule, Math.max(after, first - 1));
    return next === null ? null : beforeEnd(schedule, next);
  }
  if (first > after) return beforeEnd(schedule, first);
  if (schedule.kind === 'fixedDelay') return null;
  const { everyMs } = schedule;
  return beforeEnd(schedule, first + (Math.floor((after - first) / everyMs) + 1) * everyMs);
}

/** The last occurrence strictly before `before`; null when there is none. */
export function prevOccurrence(schedule: Schedule, anchorAt: number, before: number): number | null {
  if (isOneShot(schedule)) {
    const at = instantOf(schedule, anchorAt);
    return at < before ? at : null;
  }
  if (schedule.kind === 'after' || schedule.kind === 'on') return null;
  const first = earliest(schedule, anchorAt);
  const end = Math.min(before, schedule.endAt ?? Infinity);
  if (first >= end) return null;
  if (schedule.kind === 'fixedDelay') return first;
  if (schedule.kind === 'every') return first + (Math.ceil((end - first) / schedule.everyMs) - 1) * schedule.everyMs;
  const prev = cronPrev(schedule, end);
  return prev !== null && prev >= first ? prev : null;
}

/** The next occurrence of a fixed delay after a run that ended at `finishedAt`; null for other schedules and after the end. */
export function afterEnd(schedule: Schedule, finishedAt: number): number | null {
  return schedule.kind === 'fixedDelay' ? beforeEnd(schedule, finishedAt + schedule.delayMs) : null;
}

/** The first occurrence strictly after `after` that is not excluded. Excluded days are jumped over, not walked through. */
export function nextIncluded(schedule: Schedule, anchorAt: number, after: number): number | null {
  let at = nextOccurrence(schedule, anchorAt, after);
  for (let span = spanAt(schedule, at); at !== null && span !== null; span = spanAt(schedule, at)) {
    at = nextOccurrence(schedule, anchorAt, Math.max(at, span.to - 1));
  }
  return at;
}

/** The last occurrence strictly before `before` that is not excluded. */
export function prevIncluded(schedule: Schedule, anchorAt: number, before: number): number | null {
  let at = prevOccurrence(schedule, anchorAt, before);
  for (let span = spanAt(schedule, at); at !== null && span !== null; span = spanAt(schedule, at)) {
    at = prevOccurrence(schedule, anchorAt, Math.min(at, span.from));
  }
  return at;
}

/** Whether a schedule applied at `now` would never run: no occurrence ahead, or only excluded ones. */
export function neverFires(schedule: Schedule, anchorAt: number, now: number): boolean {
  if (schedule.kind === 'after') return schedule.endAt !== null && schedule.endAt <= now;
  if (schedule.kind === 'on') return schedule.endAt !== null && schedule.endAt <= now + schedule.waitMs;
  const first = firstOccurrence(schedule, anchorAt, now);
  if (first === null) return true;
  // An excluded fixed delay goes on from the decision to skip it, so the days it is kept off do not end it.
  return schedule.kind !== 'fixedDelay' && nextIncluded(schedule, anchorAt, first - 1) === null;
}

/**
 * By how much an occurrence starts later than scheduled: in [0, jitterMs), the same at every call.
 * @param key tells jobs with equal schedules apart: `tenant/jobId`
 */
export function jitterOf(jitterMs: number, key: string, scheduledFor: number): number {
  return Math.floor((partitionHash(`${key} ${scheduledFor}`) / 2 ** 31) * jitterMs);
}

function instantOf(schedule: OneShot, anchorAt: number): number {
  return schedule.kind === 'at' ? schedule.at : anchorAt + schedule.delayMs;
}

/** The first instant at which a recurring schedule occurs or, for a cron, may. A cron without startAt has no beginning. */
function earliest(schedule: Exclude<Recurring, { kind: 'after' | 'on' }>, anchorAt: number): number {
  if (schedule.startAt !== null) return anchorAt;
  if (schedule.kind === 'cron') return -Infinity;
  return anchorAt + (schedule.kind === 'every' ? schedule.everyMs : schedule.delayMs);
}

function beforeEnd({ endAt }: Recurring, at: number): number | null {
  return endAt !== null && at >= endAt ? null : at;
}

function spanAt(schedule: Schedule, at: number | null): { from: number; to: number } | null {
  return at === null ? null : excludedSpanAt(schedule, at);
}
