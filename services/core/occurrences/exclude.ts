/** Days on which a recurring schedule does not run. They still have occurrences, which are skipped. */
import type { Schedule } from '../model.ts';
import { formatWall, parseInstant } from '../spec/instant.ts';
import { firstInstantOf, wallTimeAt } from './time-zone.ts';

const DAY_MS = 86_400_000;

/** Whether the occurrence at `at` falls on an excluded day of the schedule's time zone. */
export function isExcluded(schedule: Schedule, at: number): boolean {
  return excludedDaysAt(schedule, at) !== undefined;
}

/** The instants `[from, to)` of the excluded day or range of days that `at` falls in, null when it is not excluded. */
export function excludedSpanAt(schedule: Schedule, at: number): { from: number; to: number } | null {
  const days = excludedDaysAt(schedule, at);
  if (days === undefined || !('timezone' in schedule)) return null;
  return {
    from: firstInstantOf(schedule.timezone, midnightOf(days.first)),
    to: firstInstantOf(schedule.timezone, midnightOf(days.last) + DAY_MS),
  };
}

/** As a wall time. */
function midnightOf(day: string): number {
  return parseInstant(`${day}T00:00Z`) ?? 0;
}

function excludedDaysAt(schedule: Schedule, at: number): { first: string; last: string } | undefined {
  if (!('exclude' in schedule) || schedule.exclude.length === 0) return undefined;
  const day = formatWall(wallTimeAt(schedule.timezone, at)).slice(0, 10);
  for (const days of schedule.exclude) {
    const [first = days, last = first] = days.split('/');
    if (first <= day && day <= last) return { first, last };
  }
  return undefined;
}
