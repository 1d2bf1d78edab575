/**
 * The wall times that match a cron expression, on a calendar without time zones: milliseconds as if in UTC.
 * Day-of-month and day-of-week are OR-ed when both are restricted, as cron has it.
 */
import type { CronFields, WeekdayRule } from './cron-fields.ts';

const DAY_MS = 86_400_000;
/** Far enough for the rarest expressions: a fifth Monday in February comes each 28 years, around 2100 after 40. */
export const HORIZON_DAYS = 45 * 366;
/** From 1970 on: two leap years are among them. */
const DAYS_COMPARED = 8 * 366;

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

/**
 * The shortest time between two matching wall times, ms; Infinity where there is only one. The times of a day are the same
 * on all days, so the shortest distance lies between neighbours in one field, or between days.
 */
export function shortestInterval(fields: CronFields): number {
  const { seconds, minutes, hours } = fields;
  const around = (list: readonly number[], unit: number, rest: number): number[] =>
    steps(list).map((step) => step * unit - rest);
  const pastMinute = seconds.at(-1)! - seconds[0]!;
  const pastHour = pastMinute + 60 * (minutes.at(-1)! - minutes[0]!);
  const pastDay = pastHour + 3600 * (hours.at(-1)! - hours[0]!);
  const withinDay = [...steps(seconds), ...around(minutes, 60, pastMinute), ...around(hours, 3600, pastHour)];
  return Math.min(...withinDay, closestDays(fields) * 86_400 - pastDay) * 1000;
}

function steps(list: readonly number[]): number[] {
  return list.slice(1).map((value, index) => value - list[index]!);
}

/** How many days the two matching days lie apart that are closest, of those of eight years. */
function closestDays(fields: CronFields): number {
  let closest = Infinity;
  let before = -Infinity;
  for (let day = 0; day < DAYS_COMPARED && closest > 1; day++) {
    if (!isMatchingDay(fields, day)) continue;
    closest = Math.min(closest, day - before);
    before = day;
  }
  return closest;
}

/** @param day counted from 1970-01-01 */
function isMatchingDay({ months, days, weekdays }: CronFields, day: number): boolean {
  const date = new Date(day * DAY_MS);
  if (!months.includes(date.getUTCMonth() + 1)) return false;
  if (days.isAny && weekdays.isAny) return true;
  if (!days.isAny && isDayOfMonth(days, date)) return true;
  return !weekdays.isAny && weekdays.rules.some((rule) => isDayOfWeek(rule, date));
}

function isDayOfMonth({ values, hasLast }: CronFields['days'], date: Date): boolean {
  return values.includes(date.getUTCDate()) || (hasLast && daysLeft(date) === 0);
}

function isDayOfWeek({ weekday, nth }: WeekdayRule, date: Date): boolean {
  if (date.getUTCDay() !== weekday) return false;
  if (nth === 'last') return daysLeft(date) < 7;
  return nth === null || Math.ceil(date.getUTCDate() / 7) === nth;
}

function daysLeft(date: Date): number {
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate() - date.getUTCDate();
}
