import type { Schedule } from '../model.ts';
import { MAX_DURATION_MS } from '../spec/duration.ts';
import { formatWall } from '../spec/instant.ts';
import { dstEffectAt } from './cron.ts';
import { isExcluded, nextOccurrence } from './schedule.ts';
import { wallTimeAt } from './time-zone.ts';

/** One line of a preview. */
export type PreviewedOccurrence = {
  at: number;
  excluded: boolean;
  /** A clock change moved it out of a gap, or its wall time comes twice on that day. */
  dst: 'gap' | 'repeat' | null;
  /** ISO 8601 in the schedule's time zone, with its offset. */
  local: string;
};

/**
 * The occurrences of a schedule from a moment on, for 100 years, without jitter. Of a fixed delay only the first one is known beforehand.
 * @param options.from included
 * @param options.count how many at the most
 * @param options.anchorAt as `anchorOf` gives it
 */
export function previewOccurrences(
  schedule: Schedule,
  { from, count, anchorAt }: { from: number; count: number; anchorAt: number },
): PreviewedOccurrence[] {
  const occurrences: PreviewedOccurrence[] = [];
  let at = nextOccurrence(schedule, anchorAt, from - 1);
  const until = from + MAX_DURATION_MS;
  while (at !== null && at <= until && occurrences.length < count) {
    occurrences.push(previewed(schedule, at));
    at = nextOccurrence(schedule, anchorAt, at);
  }
  return occurrences;
}

/** A time as a preview shows it. */
export function previewed(schedule: Schedule, at: number): PreviewedOccurrence {
  return {
    at,
    excluded: isExcluded(schedule, at),
    dst: schedule.kind === 'cron' ? dstEffectAt(schedule, at) : null,
    local: localTime('timezone' in schedule ? schedule.timezone : 'UTC', at),
  };
}

/** ISO 8601 with the offset of the zone: `2026-03-29T03:30:00.000+02:00`. */
function localTime(timezone: string, at: number): string {
  const wall = wallTimeAt(timezone, at);
  const minutes = Math.round((wall - at) / 60_000);
  const two = (value: number) => String(value).padStart(2, '0');
  const offset = `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return formatWall(wall) + offset;
}
