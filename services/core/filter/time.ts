/** Timestamps and durations of filters. Every pattern here is anchored and reads a text of bounded length once. */
import { LRUCache } from 'lru-cache';
import { fail, type Meter } from './meter.ts';
import { Duration } from './values.ts';

/** The years 1 to 9999, as protobuf's Timestamp. */
const MIN_MS = -62_135_596_800_000;
const MAX_MS = 253_402_300_799_999;
const MAX_TEXT_LENGTH = 100;
const NANOS_PER_MS = 1_000_000n;
const FRACTION_DIGITS = 9;

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
/** One term of a duration such as `1h30m` or `-1.5s` (Go's time.ParseDuration). */
const TERM = /(\d{0,18})(?:\.(\d{0,18}))?(ns|us|µs|ms|s|m|h)/y;
const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: NANOS_PER_MS,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Reads a time of RFC 3339. Fractions finer than a millisecond are cut off. */
export function timestampOf(text: string): Date {
  const match = text.length > MAX_TEXT_LENGTH ? null : TIMESTAMP.exec(text);
  if (match === null) fail();
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [sign, offsetHours, offsetMinutes] = [match[8] === '-' ? -1 : 1, Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) fail();
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // unlike Date.UTC it takes the years 1 to 99 as they are
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) fail();
  date.setUTCHours(hour, minute, second, Number((match[7] ?? '').padEnd(3, '0').slice(0, 3)));
  return timestampAt(date.getTime() - sign * (offsetHours * 60 + offsetMinutes) * 60_000);
}

/** @param ms since the epoch */
export function timestampAt(ms: number): Date {
  return ms >= MIN_MS && ms <= MAX_MS ? new Date(ms) : fail();
}

export function durationOf(text: string): Duration {
  if (text.length > MAX_TEXT_LENGTH) fail();
  const isSigned = text.startsWith('-') || text.startsWith('+');
  TERM.lastIndex = isSigned ? 1 : 0;
  if (TERM.lastIndex === text.length) fail();
  let nanos = 0n;
  while (TERM.lastIndex < text.length) {
    const match = TERM.exec(text);
    if (match === null) fail();
    const [, whole = '', fraction = '', unit = ''] = match;
    nanos += termNanos(whole, fraction, UNIT_NANOS[unit]!);
  }
  return new Duration(text.startsWith('-') ? -nanos : nanos);
}

function termNanos(whole: string, fraction: string, unitNanos: bigint): bigint {
  const parts = BigInt(fraction.slice(0, FRACTION_DIGITS).padEnd(FRACTION_DIGITS, '0')) * unitNanos;
  return BigInt(whole) * unitNanos + parts / 10n ** BigInt(FRACTION_DIGITS);
}

export function msOf({ nanos }: Duration): number {
  return Number(nanos / NANOS_PER_MS);
}

export function ofMs(ms: number): Duration {
  return new Duration(BigInt(ms) * NANOS_PER_MS);
}

/** A date whose UTC fields are what clocks in the zone show. */
export function inZone(at: Date, zone: string, meter: Meter): Date {
  const { year, month, day, hour, minute, second } = Object.fromEntries(
    formatterOf(zone, meter)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  ) as Record<'year' | 'month' | 'day' | 'hour' | 'minute' | 'second', number>;
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  local.setUTCHours(hour, minute, second, at.getUTCMilliseconds());
  return local;
}

/** Making one takes 0.1 ms and some kilobytes. */
const formatters = new LRUCache<string, Intl.DateTimeFormat>({ max: 50 });
const FIELDS = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;

function formatterOf(zone: string, meter: Meter): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (formatter !== undefined) return formatter;
  if (zone.length > MAX_TEXT_LENGTH) fail();
  meter.zone();
  try {
    formatter = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', ...FIELDS, second: 'numeric' });
  } catch {
    fail();
  }
  formatters.set(zone, formatter);
  return formatter;
}
