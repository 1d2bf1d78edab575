/**
 * When a schedule occurs; events (`on`) come without one, and have no occurrences here. Excluded occurrences are
 * included here, since each of them gets a row that says so. Nothing occurs before 1970 or beyond 9999.
 *
 * `anchorAt` is what `anchorOf` gave when the schedule was applied; `every` and `in` count from it. A schedule has no
 * occurrence before it was applied, except that a `startAt` of a moment ago still is the first one. A chain (`after`) has none:
 * its runs come from the ends of others.
 */
import type { Schedule } from '../model.ts';
import { partitionHash } from '../murmur2.ts';
import { isInstant, MAX_INSTANT_MS } from '../spec/instant.ts';
import { fieldsOf } from './cron-fields.ts';
import { cronNext, cronPrev } from './cron.ts';
import { excludedSpanAt } from './exclude.ts';
import { shortestInterval } from './wall-clock.ts';

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
  if (isOneShot(schedule)) return oneShotAt(schedule, anchorAt);
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
    const at = oneShotAt(schedule, anchorAt);
    return at !== null && at > after ? at : null;
  }
  if (schedule.kind === 'after' || schedule.kind === 'on') return null;
  const first = earliest(schedule, anchorAt);
  const from = Math.max(after, first - 1, -1);
  if (schedule.kind === 'cron') {
    const next = cronNext(schedule, from);
    return next === null ? null : beforeEnd(schedule, next);
  }
  if (first > from) return beforeEnd(schedule, first);
  if (schedule.kind === 'fixedDelay') return null;
  const { everyMs } = schedule;
  return beforeEnd(schedule, first + (Math.floor((from - first) / everyMs) + 1) * everyMs);
}

/** The last occurrence strictly before `before`; null when there is none. */
export function prevOccurrence(schedule: Schedule, anchorAt: number, before: number): number | null {
  if (isOneShot(schedule)) {
    const at = oneShotAt(schedule, anchorAt);
    return at !== null && at < before ? at : null;
  }
  if (schedule.kind === 'after' || schedule.kind === 'on') return null;
  const first = earliest(schedule, anchorAt);
  const end = Math.min(before, schedule.endAt ?? Infinity, MAX_INSTANT_MS + 1);
  if (first >= end) return null;
  if (schedule.kind === 'fixedDelay') return notBefore(0, first);
  if (schedule.kind === 'every')
    return notBefore(0, first + (Math.ceil((end - first) / schedule.everyMs) - 1) * schedule.everyMs);
  return notBefore(Math.max(first, 0), cronPrev(schedule, end));
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

/**
 * The shortest time between two occurrences, ms, by the wall clock: clock changes are left out of account. Null where
 * there are no two.
 */
export function shortestIntervalOf(schedule: Extract<Schedule, { kind: 'cron' | 'every' }>): number | null {
  if (schedule.kind === 'every') return schedule.everyMs;
  const shortest = shortestInterval(fieldsOf(schedule.cron));
  return Number.isFinite(shortest) ? shortest : null;
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
 * By how much an occurrence starts later than scheduled: in [0, jitterMs), the same at every call; less where it would
 * start beyond 9999.
 * @param key tells jobs with equal schedules apart: `tenant/jobId`
 */
export function jitterOf(jitterMs: number, key: string, scheduledFor: number): number {
  const jitter = Math.floor((partitionHash(`${key} ${scheduledFor}`) / 2 ** 31) * jitterMs);
  return Math.min(jitter, Math.max(0, MAX_INSTANT_MS - scheduledFor));
}

function oneShotAt(schedule: OneShot, anchorAt: number): number | null {
  const at = schedule.kind === 'at' ? schedule.at : anchorAt + schedule.delayMs;
  return isInstant(at) ? at : null;
}

/** The first instant at which a recurring schedule occurs or, for a cron, may. A cron without startAt has no beginning. */
function earliest(schedule: Exclude<Recurring, { kind: 'after' | 'on' }>, anchorAt: number): number {
  if (schedule.startAt !== null) return anchorAt;
  if (schedule.kind === 'cron') return -Infinity;
  return anchorAt + (schedule.kind === 'every' ? schedule.everyMs : schedule.delayMs);
}

function beforeEnd({ endAt }: Recurring, at: number): number | null {
  return isInstant(at) && (endAt === null || at < endAt) ? at : null;
}

function notBefore(least: number, at: number | null): number | null {
  return at !== null && at >= least ? at : null;
}

function spanAt(schedule: Schedule, at: number | null): { from: number; to: number } | null {
  return at === null ? null : excludedSpanAt(schedule, at);
}
