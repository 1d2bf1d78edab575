/**
 * The wall times that match a cron expression, on a calendar without time zones: milliseconds as if in UTC.
 * Day-of-month and day-of-week are OR-ed when both are restricted, as cron has it.
 */
import type { CronFields } from './cron-fields.ts';

const DAY_MS = 86_400_000;
/** Far enough for the rarest expressions: a fifth Monday in February comes each 28 years, around 2100 after 40. */
export const HORIZON_DAYS = 45 * 366;

/** The first matching wall time at or after `wall`, null when there is none within 45 years. */
export function wallTimeFrom(fields: CronFields, wall: number): number | null {
  const second = Math.ceil(wall / 1000);
  let day = Math.floor(second / 86_400);
  let time = isMatchingDay(fields, day) ? timeFrom(fields, second - day * 86_400) : undefined;
  for (const last = day + HORIZON_DAYS; time === undefined;) {
    if (++day > last) return null;
    if (isMatchingDay(fields, day)) time = timeFrom(fields, 0);
  }
  return day * DAY_MS + time * 1000;
}

/** The last matching wall time before `wall`, null when there is none within 45 years. */
export function wallTimeBefore(fields: CronFields, wall: number): number | null {
  const second = Math.ceil(wall / 1000) - 1;
  let day = Math.floor(second / 86_400);
  let time = isMatchingDay(fields, day) ? timeUpTo(fields, second - day * 86_400) : undefined;
  for (const first = day - HORIZON_DAYS; time === undefined;) {
    if (--day < first) return null;
    if (isMatchingDay(fields, day)) time = timeUpTo(fields, 86_399);
  }
  return day * DAY_MS + time * 1000;
}

/** The first matching second of a day at or after `from`. */
function timeFrom({ hours, minutes, seconds }: CronFields, from: number): number | undefined {
  const [hour, minute, second] = clockOf(from);
  if (hours.includes(hour)) {
    const sameMinute = minutes.includes(minute) ? seconds.find((value) => value >= second) : undefined;
    if (sameMinute !== undefined) return timeOf(hour, minute, sameMinute);
    const laterMinute = minutes.find((value) => value > minute);
    if (laterMinute !== undefined) return timeOf(hour, laterMinute, seconds[0]!);
  }
  const laterHour = hours.find((value) => value > hour);
  return laterHour === undefined ? undefined : timeOf(laterHour, minutes[0]!, seconds[0]!);
}

/** The last matching second of a day at or before `to`. */
function timeUpTo({ hours, minutes, seconds }: CronFields, to: number): number | undefined {
  const [hour, minute, second] = clockOf(to);
  if (hours.includes(hour)) {
    const sameMinute = minutes.includes(minute) ? seconds.findLast((value) => value <= second) : undefined;
    if (sameMinute !== undefined) return timeOf(hour, minute, sameMinute);
    const earlierMinute = minutes.findLast((value) => value < minute);
    if (earlierMinute !== undefined) return timeOf(hour, earlierMinute, seconds.at(-1)!);
  }
  const earlierHour = hours.findLast((value) => value < hour);
  return earlierHour === undefined ? undefined : timeOf(earlierHour, minutes.at(-1)!, seconds.at(-1)!);
}

function clockOf(time: number): [hour: number, minute: number, second: number] {
  return [Math.floor(time / 3600), Math.floor(time / 60) % 60, time % 60];
}

function timeOf(hour: number, minute: number, second: number): number {
  return hour * 3600 + minute * 60 + second;
}

/** @param day counted from 1970-01-01 */
function isMatchingDay({ months, days, weekdays }: CronFields, day: number): boolean {
  const date = new Date(day * DAY_MS);
  if (!months.includes(date.getUTCMonth() + 1)) return false;
  if (days.isWildcard && weekdays.isWildcard) return true;
  const matchesDay = () => isDayOfMonth(days, date);
  const matchesWeekday = () => isDayOfWeek(weekdays, date);
  if (weekdays.isWildcard) return matchesDay();
  return matchesWeekday() || (!days.isWildcard && matchesDay());
}

function isDayOfMonth({ values }: CronFields['days'], date: Date): boolean {
  return (
    values.some((value) => value === date.getUTCDate()) ||
    (values.some((value) => value === 'L') && daysLeft(date) === 0)
  );
}

/** Weekdays are numbers (Sunday 0 or 7), or texts such as `5L`: the last Friday. `5#3`, the third Friday, sets `nthDay`. */
function isDayOfWeek({ values, nthDay }: CronFields['weekdays'], date: Date): boolean {
  const weekday = date.getUTCDay();
  if (nthDay > 0 && Math.ceil(date.getUTCDate() / 7) !== nthDay) return false;
  return values.some((value) => {
    if (Number.parseInt(String(value), 10) % 7 !== weekday) return false;
    return typeof value === 'number' || daysLeft(date) < 7;
  });
}

function daysLeft(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate() - date.getUTCDate();
}
