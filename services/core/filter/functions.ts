/** The functions and methods that filters may call. Each is at most linear in its arguments, and charges for them. */
import { fail, type Meter } from './meter.ts';
import { durationOf, inZone, msOf, timestampAt, timestampOf } from './time.ts';
import { Duration, TYPES, typeOf, type CelMap } from './values.ts';

export type CelFunction = (value: unknown, meter: Meter) => unknown;
export type CelMethod = (receiver: unknown, args: readonly unknown[], meter: Meter) => unknown;

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 63n - 1n;
/** Digits of an int with its sign. */
const MAX_INT_LENGTH = 20;

const TRUE = new Set(['1', 't', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'false', 'FALSE', 'False']);
const INFINITE: Readonly<Record<string, number>> = {
  inf: Infinity,
  '+inf': Infinity,
  infinity: Infinity,
  '+infinity': Infinity,
  '-inf': -Infinity,
  '-infinity': -Infinity,
  nan: NaN,
};
const MAX_NUMBER_LENGTH = 400;

export function inIntRange(value: bigint): bigint {
  return value >= MIN_INT && value <= MAX_INT ? value : fail();
}

export const FUNCTIONS: Readonly<Record<string, CelFunction>> = {
  size: (value, meter) => sizeOf(value, meter),
  type: (value) => TYPES[typeOf(value) ?? fail()],
  dyn: (value) => value,
  bool: (value) => {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'string') return fail();
    return TRUE.has(value) || (FALSE.has(value) ? false : fail());
  },
  int: (value) => {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? BigInt(Math.trunc(value)) : fail();
    return typeof value === 'string' ? intOf(value) : fail();
  },
  double: (value) => {
    if (typeof value === 'number') return value;
    if (typeof value === 'bigint') return Number(value);
    return typeof value === 'string' ? doubleOf(value) : fail();
  },
  string: (value, meter) => textOf(value, meter),
  timestamp: (value) => {
    if (typeof value === 'string') return timestampOf(value);
    return typeof value === 'bigint' ? timestampAt(Number(value) * 1_000) : fail();
  },
  duration: (value) => (typeof value === 'string' ? durationOf(value) : fail()),
};

function intOf(text: string): bigint {
  if (text.length > MAX_INT_LENGTH || text !== text.trim() || text.includes('0x')) fail();
  try {
    return inIntRange(BigInt(text));
  } catch {
    return fail();
  }
}

function doubleOf(text: string): number {
  if (text === '' || text.length > MAX_NUMBER_LENGTH || text !== text.trim()) fail();
  const named = INFINITE[text.toLowerCase()];
  if (named !== undefined) return named;
  const value = Number(text);
  return Number.isNaN(value) ? fail() : value;
}

function textOf(value: unknown, meter: Meter): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') {
    if (value === Infinity) return '+Inf';
    return value === -Infinity ? '-Inf' : String(value);
  }
  if (!(value instanceof Uint8Array)) return fail();
  meter.text(value.length);
  return Buffer.from(value).toString('utf8');
}

function sizeOf(value: unknown, meter: Meter): bigint {
  if (typeof value === 'string') {
    meter.text(8 * value.length);
    let size = 0;
    for (const _character of value) size++;
    return BigInt(size);
  }
  if (Array.isArray(value) || value instanceof Uint8Array) return BigInt(value.length);
  if (typeOf(value) !== 'map') fail();
  const keys = Object.keys(value as CelMap);
  meter.elements(keys.length);
  return BigInt(keys.length);
}

function textMethod(of: (text: string, other: string) => unknown): CelMethod {
  return (receiver, [other = ''], meter) => {
    if (typeof receiver !== 'string' || typeof other !== 'string') fail();
    meter.text(receiver.length + other.length);
    return of(receiver, other);
  };
}

/** Of timestamps, in UTC or in the zone of the argument; the last four of durations, too. */
function timeMethod(ofDate: (date: Date) => number, unitMs?: number): CelMethod {
  return (receiver, [zone], meter) => {
    if (receiver instanceof Duration && unitMs !== undefined && zone === undefined)
      return BigInt(Math.trunc(msOf(receiver) / unitMs));
    if (!(receiver instanceof Date)) return fail();
    if (zone === undefined) return BigInt(ofDate(receiver));
    return typeof zone === 'string' ? BigInt(ofDate(inZone(receiver, zone, meter))) : fail();
  };
}

const DAY_MS = 86_400_000;

function dayOfYear(date: Date): number {
  const first = new Date(0);
  first.setUTCFullYear(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - first.getTime()) / DAY_MS);
}

/** By name: how many arguments it takes, and what it does. */
export const METHODS: Readonly<Record<string, { args: readonly number[]; call: CelMethod }>> = {
  contains: { args: [1], call: textMethod((text, other) => text.includes(other)) },
  startsWith: { args: [1], call: textMethod((text, other) => text.startsWith(other)) },
  endsWith: { args: [1], call: textMethod((text, other) => text.endsWith(other)) },
  lowerAscii: { args: [0], call: textMethod((text) => text.toLowerCase()) },
  upperAscii: { args: [0], call: textMethod((text) => text.toUpperCase()) },
  trim: { args: [0], call: textMethod((text) => text.trim()) },
  size: { args: [0], call: (receiver, _args, meter) => sizeOf(receiver, meter) },
  getFullYear: { args: [0, 1], call: timeMethod((date) => date.getUTCFullYear()) },
  getMonth: { args: [0, 1], call: timeMethod((date) => date.getUTCMonth()) },
  getDate: { args: [0, 1], call: timeMethod((date) => date.getUTCDate()) },
  getDayOfMonth: { args: [0, 1], call: timeMethod((date) => date.getUTCDate() - 1) },
  getDayOfWeek: { args: [0, 1], call: timeMethod((date) => date.getUTCDay()) },
  getDayOfYear: { args: [0, 1], call: timeMethod(dayOfYear) },
  getHours: { args: [0, 1], call: timeMethod((date) => date.getUTCHours(), 3_600_000) },
  getMinutes: { args: [0, 1], call: timeMethod((date) => date.getUTCMinutes(), 60_000) },
  getSeconds: { args: [0, 1], call: timeMethod((date) => date.getUTCSeconds(), 1_000) },
  getMilliseconds: { args: [0, 1], call: timeMethod((date) => date.getUTCMilliseconds(), 1) },
};
