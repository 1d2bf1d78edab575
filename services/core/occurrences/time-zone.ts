/**
 * Wall clocks of IANA time zones.
 *
 * A wall time is the reading of a clock in the zone, written as if it were UTC (2026-03-29 02:30 anywhere is
 * `Date.UTC(2026, 2, 29, 2, 30)`), so that it can be compared and calculated with. Around a change of offset the way
 * from wall times to instants is not one to one; callers therefore work in segments, in each of which the offset is
 * constant and wall time runs straight.
 */
import { LRUCache } from 'lru-cache';
import { IANAZone } from 'luxon';

/** A stretch of real time `[from, to)` in which the zone's offset does not change; `to` may be followed by an equal one. */
export type Segment = {
  from: number;
  to: number;
  /** Wall time minus UTC. */
  offsetMs: number;
  /** The last change of offset at or before `from`, where one is near enough to matter; otherwise some earlier moment. */
  changedAt: number;
  /** The offset before that change; equal to `offsetMs` where there was none. */
  formerMs: number;
};

const DAY_MS = 86_400_000;
/** Offsets of all zones lie between −13 h and +15 h. */
export const MIN_OFFSET_MS = -13 * 3_600_000;
export const MAX_OFFSET_MS = 15 * 3_600_000;
/** Changes of offset are found by probing this far apart: zones leave their offset for weeks at least. */
const PROBE_MS = 5 * DAY_MS;

const years = new LRUCache<string, readonly Segment[]>({ max: 2_000 });

/** A look-up costs 0.1 ms. Bounded, because names come from users. */
const known = new LRUCache<string, boolean>({ max: 1_000 });

/** Whether `name` is a time zone that this runtime knows, such as `Europe/Paris` or `UTC`. */
export function isTimeZone(name: string): boolean {
  let valid = known.get(name);
  if (valid === undefined) known.set(name, (valid = IANAZone.isValidZone(name)));
  return valid;
}

/** The segment of `timezone` that holds the instant `at`. */
export function segmentAt(timezone: string, at: number): Segment {
  const year = new Date(at).getUTCFullYear();
  const key = `${timezone} ${year}`;
  let segments = years.get(key);
  if (segments === undefined) years.set(key, (segments = segmentsOfYear(IANAZone.create(timezone), year)));
  const segment = segments.find(({ to }) => at < to);
  if (segment === undefined) throw new RangeError(`${at} is not a time in ${timezone}`);
  return segment;
}

/** The wall time that clocks in `timezone` show at the instant `at`. */
export function wallTimeAt(timezone: string, at: number): number {
  return at + segmentAt(timezone, at).offsetMs;
}

/** The first instant at which clocks in `timezone` show `wall` or, where a change of offset leaves it out, later. */
export function firstInstantOf(timezone: string, wall: number): number {
  let segment = segmentAt(timezone, wall - MAX_OFFSET_MS);
  while (wall - segment.offsetMs >= segment.to) segment = segmentAt(timezone, segment.to);
  return Math.max(wall - segment.offsetMs, segment.from);
}

/** Segments that together cover one UTC year. Changes shortly before it are known to the first one. */
function segmentsOfYear(zone: IANAZone, year: number): Segment[] {
  const start = Date.UTC(year, 0, 1);
  const end = Date.UTC(year + 1, 0, 1);
  const segments: Segment[] = [];
  let changedAt = start - PROBE_MS;
  let formerMs = offsetAt(zone, changedAt);
  for (const to of [...changesBetween(zone, changedAt, end), end]) {
    const offsetMs = offsetAt(zone, changedAt);
    if (to > start) segments.push({ from: Math.max(changedAt, start), to, offsetMs, changedAt, formerMs });
    formerMs = offsetMs;
    changedAt = to;
  }
  return segments;
}

/** Every instant in `(from, to)` from which another offset holds. */
function changesBetween(zone: IANAZone, from: number, to: number): number[] {
  const changes: number[] = [];
  for (let probe = from; probe < to; probe += PROBE_MS) {
    const nextProbe = Math.min(probe + PROBE_MS, to - 1);
    if (offsetAt(zone, probe) !== offsetAt(zone, nextProbe)) changes.push(firstChange(zone, probe, nextProbe));
  }
  return changes;
}

function firstChange(zone: IANAZone, from: number, to: number): number {
  const offsetMs = offsetAt(zone, from);
  let [same, other] = [from, to];
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2);
    if (offsetAt(zone, middle) === offsetMs) same = middle;
    else other = middle;
  }
  return other;
}

function offsetAt(zone: IANAZone, at: number): number {
  return Math.round(zone.offset(at) * 60_000);
}
