/** Times as users write them: ISO 8601 with an offset. Inside Belfry they are milliseconds since the epoch. */

const PATTERN = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;
const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;

/** The last millisecond of the year 9999: later ones have no four-digit form. */
export const MAX_INSTANT_MS = 253_402_300_799_999;

/**
 * Reads a time such as `2026-12-01T09:00:00Z` or `2026-12-01T10:00+01:00`, from 1970 to 9999. Fractions finer than a
 * millisecond are rounded up, so that nothing happens before the time that was written.
 * @returns milliseconds since the epoch; undefined when the text is no such time (`explainInstant` tells why).
 */
export function parseInstant(text: string): number | undefined {
  const result = readInstant(text);
  return typeof result === 'number' ? result : undefined;
}

/** Why `parseInstant` refuses a text, as the rest of a sentence that begins with the field's name. */
export function explainInstant(text: string): string | undefined {
  const result = readInstant(text);
  return typeof result === 'string' ? result : undefined;
}

/** Whether the time lies between the years 1970 and 9999, and so can be written and read. */
export function isInstant(ms: number): boolean {
  return ms >= 0 && ms <= MAX_INSTANT_MS;
}

/**
 * Writes a time in UTC with milliseconds: `2026-12-01T09:00:00.000Z`. A stored time that nobody can write (before 1970,
 * beyond 9999, no number) is written as the nearest one, so that one row that went wrong does not hide the others.
 */
export function formatInstant(ms: number): string {
  const nearest = isInstant(ms) ? ms : ms > MAX_INSTANT_MS ? MAX_INSTANT_MS : 0;
  return new Date(nearest).toISOString();
}

/** Writes a wall time, as `occurrences/time-zone.ts` has them: `2026-12-01T09:00:00.000`. */
export function formatWall(wall: number): string {
  return new Date(wall).toISOString().slice(0, -1);
}

/** Whether the text is a day that the calendar has: `2026-12-25`. */
export function isDay(text: string): boolean {
  const match = DAY.exec(text);
  return match !== null && dayExists(Number(match[1]), Number(match[2]), Number(match[3]));
}

/** The time in milliseconds, or what is wrong with the text. */
function readInstant(text: string): number | string {
  const match = PATTERN.exec(text);
  if (match === null) return 'must be an ISO 8601 time with an offset such as 2026-12-01T09:00:00Z';
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6] ?? 0)];
  if (!dayExists(year, month, day)) return `names a day that does not exist (${text})`;
  if (hour > 23 || minute > 59 || second > 59) return `names a time of day that does not exist (${text})`;
  const offset = match[8];
  if (offset === undefined) return `needs an offset: write ${text}Z for UTC, or ${text}+02:00 and the like`;
  const offsetMs = readOffset(offset);
  if (offsetMs === undefined) return `has an offset that does not exist (${offset})`;
  const fractionMs = match[7] === undefined ? 0 : Math.ceil(Number(match[7].padEnd(9, '0')) / 1_000_000);
  const ms = Date.UTC(year, month - 1, day, hour, minute, second) + fractionMs - offsetMs;
  return year >= 1970 && ms >= 0 && ms <= MAX_INSTANT_MS ? ms : `must lie between the years 1970 and 9999`;
}

function dayExists(year: number, month: number, day: number): boolean {
  // The year is moved by whole calendar cycles: Date.UTC takes 0 to 99 for 1900 to 1999.
  const date = new Date(Date.UTC(year + 2000, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day && day > 0;
}

function readOffset(text: string): number | undefined {
  if (text === 'Z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(3).replace(':', ''));
  if (hours > 23 || minutes > 59) return undefined;
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
