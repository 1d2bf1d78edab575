/**
 * When a schedule occurs, worked out a second time: the checker must not believe the code that it checks. Only for schedules
 * that need no calendar (those that drivers of the checker use): no time zones, no excluded days; crons as in `*` + `/5 * * * * *`.
 */
import type { Schedule } from '../../services/core/model.ts';

/**
 * @param phaseAt an instant at which an `every` without startAt occurs; null: not known
 * @returns the occurrences in [from, to), undefined when they cannot be known from outside
 */
export function occurrencesIn(
  schedule: Schedule,
  phaseAt: number | null,
  from: number,
  to: number,
): number[] | undefined {
  switch (schedule.kind) {
    case 'at':
      return schedule.at >= from && schedule.at < to ? [schedule.at] : [];
    case 'every': {
      const first = schedule.startAt ?? phaseAt;
      if (first === null) return undefined;
      return stepsIn(
        first,
        schedule.everyMs,
        Math.max(from, schedule.startAt ?? from),
        Math.min(to, schedule.endAt ?? to),
      );
    }
    case 'cron': {
      const seconds = /^\*\/(\d+) \* \* \* \* \*$/.exec(schedule.cron);
      if (seconds === null || 60 % Number(seconds[1]) !== 0) return undefined;
      return stepsIn(
        0,
        Number(seconds[1]) * 1_000,
        Math.max(from, schedule.startAt ?? from),
        Math.min(to, schedule.endAt ?? to),
      );
    }
    case 'in':
    case 'fixedDelay':
      return undefined;
    case 'on':
      return [];
  }
}

function stepsIn(first: number, stepMs: number, from: number, to: number): number[] {
  const times: number[] = [];
  for (let at = first + Math.ceil((from - first) / stepMs) * stepMs; at < to; at += stepMs) times.push(at);
  return times;
}
