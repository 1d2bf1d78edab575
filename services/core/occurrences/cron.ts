/**
 * Occurrences of cron schedules in real time.
 *
 * An expression names wall times of its time zone. Where the zone's offset changes:
 * - *Gap* (clocks go forward, 02:30 does not exist). `shift`: the occurrence is later by the length of the gap (03:30),
 *   that is, as if clocks had not been changed yet; when another occurrence falls on that instant, the two are one.
 *   `skip`: it does not exist. It does not exist either, whatever `gap` says, for expressions that mean slots of real
 *   time: the slots behind the gap have runs of their own, and moved ones would come in between.
 * - *Repeat* (clocks go back, 02:30 comes twice). `once`: it occurs the first time only. `both`: twice. Expressions whose
 *   hour field is `*` or a step of it mean slots of real time, and occur in every one, whatever `repeat` says.
 */
import type { Schedule } from '../model.ts';
import { fieldsOf, type CronFields } from './cron-fields.ts';
import { MAX_OFFSET_MS, MIN_OFFSET_MS, segmentAt, type Segment } from './time-zone.ts';
import { HORIZON_DAYS, wallTimeBefore, wallTimeFrom } from './wall-clock.ts';

export { unreadableCron, validateCron } from './cron-fields.ts';

/** The part of a schedule that says when a cron fires. */
export type CronSchedule = Pick<Extract<Schedule, { kind: 'cron' }>, 'cron' | 'timezone' | 'dst'>;

const HORIZON_MS = HORIZON_DAYS * 86_400_000;

/** The first occurrence strictly after `afterMs`, null when there is none within 45 years. */
export function cronNext(schedule: CronSchedule, afterMs: number): number | null {
  const fields = fieldsOf(schedule.cron);
  let from = afterMs + 1;
  while (from < afterMs + HORIZON_MS) {
    const segment = segmentAt(schedule.timezone, from);
    const found = firstIn(schedule, fields, segment, from);
    if (found !== null) return found;
    // Without a matching wall time there is no occurrence: leave out the years until the next one.
    const wall = wallTimeFrom(fields, segment.to + MIN_OFFSET_MS);
    if (wall === null) return null;
    from = Math.max(segment.to, wall - MAX_OFFSET_MS);
  }
  return null;
}

/** The last occurrence strictly before `beforeMs`, null when there is none within 45 years. */
export function cronPrev(schedule: CronSchedule, beforeMs: number): number | null {
  const fields = fieldsOf(schedule.cron);
  let before = beforeMs;
  while (before > beforeMs - HORIZON_MS) {
    const segment = segmentAt(schedule.timezone, before - 1);
    const found = lastIn(schedule, fields, segment, before);
    if (found !== null) return found;
    const wall = wallTimeBefore(fields, segment.from + MAX_OFFSET_MS);
    if (wall === null) return null;
    before = Math.min(segment.from, wall - MIN_OFFSET_MS + 1);
  }
  return null;
}

/** What the clock change did to the occurrence at `at`: it was moved out of a gap, or its wall time comes twice. */
export function dstEffectAt(schedule: CronSchedule, at: number): 'gap' | 'repeat' | null {
  const { timezone, cron } = schedule;
  const { offsetMs, formerMs, changedAt, to } = segmentAt(timezone, at);
  const wall = at + offsetMs;
  if (wallTimeFrom(fieldsOf(cron), wall) !== wall) return 'gap';
  const isSecondPass = wall < changedAt + formerMs;
  const isFirstPass = wall >= to + segmentAt(timezone, to).offsetMs;
  return isFirstPass || isSecondPass ? 'repeat' : null;
}

/** Which wall times of a segment count, `[straightFrom, …)` at its own offset and `[gapFrom, gapTo)` at the former one. */
function rangesOf({ dst }: CronSchedule, { isInterval }: CronFields, segment: Segment) {
  const { from, offsetMs, changedAt, formerMs } = segment;
  const leavesOutRepeat = dst.repeat === 'once' && !isInterval;
  return {
    straightFrom: leavesOutRepeat ? Math.max(from + offsetMs, changedAt + formerMs) : from + offsetMs,
    gapFrom: from + formerMs,
    gapTo: dst.gap === 'shift' && !isInterval ? changedAt + offsetMs : -Infinity,
  };
}

/** The first occurrence at or after `from` in a segment. */
function firstIn(schedule: CronSchedule, fields: CronFields, segment: Segment, from: number): number | null {
  const { to, offsetMs, formerMs } = segment;
  const { straightFrom, gapTo } = rangesOf(schedule, fields, segment);
  const straight = wallTimeFrom(fields, Math.max(from + offsetMs, straightFrom));
  const found = straight !== null && straight - offsetMs < to ? straight - offsetMs : null;
  if (from + formerMs >= gapTo) return found;
  const shifted = wallTimeFrom(fields, from + formerMs);
  if (shifted === null || shifted >= gapTo || shifted - formerMs >= to) return found;
  return Math.min(shifted - formerMs, found ?? Infinity);
}

/** The last occurrence before `before` in a segment. */
function lastIn(schedule: CronSchedule, fields: CronFields, segment: Segment, before: number): number | null {
  const { offsetMs, formerMs } = segment;
  const { straightFrom, gapFrom, gapTo } = rangesOf(schedule, fields, segment);
  const straight = wallTimeBefore(fields, before + offsetMs);
  const found = straight !== null && straight >= straightFrom ? straight - offsetMs : null;
  if (gapFrom >= gapTo) return found;
  const shifted = wallTimeBefore(fields, Math.min(before + formerMs, gapTo));
  if (shifted === null || shifted < gapFrom) return found;
  return Math.max(shifted - formerMs, found ?? -Infinity);
}
