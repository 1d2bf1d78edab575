/** Arithmetic and order. Types never mix, but for int and double in comparisons. */
import { inIntRange } from './functions.ts';
import { fail, type Meter } from './meter.ts';
import { msOf, ofMs, timestampAt } from './time.ts';
import { Duration, fieldOf, isEqual, isNumber, typeOf, type CelMap } from './values.ts';

export const ARITHMETIC: Readonly<Record<string, (a: unknown, b: unknown, meter: Meter) => unknown>> = {
  '+': add,
  '-': subtract,
  '*': (a, b) => calculated(a, b, { int: (x, y) => x * y, double: (x, y) => x * y }),
  '/': (a, b) => calculated(a, b, { int: (x, y) => (y === 0n ? fail() : x / y), double: (x, y) => x / y }),
  '%': (a, b) => calculated(a, b, { int: (x, y) => (y === 0n ? fail() : x % y), double: () => fail() }),
};

type OfNumbers = { int: (a: bigint, b: bigint) => bigint; double: (a: number, b: number) => number };

function calculated(a: unknown, b: unknown, { int, double }: OfNumbers): unknown {
  if (typeof a === 'bigint' && typeof b === 'bigint') return inIntRange(int(a, b));
  return typeof a === 'number' && typeof b === 'number' ? double(a, b) : fail();
}

function add(a: unknown, b: unknown, meter: Meter): unknown {
  if (typeof a === 'string' && typeof b === 'string') {
    meter.text(a.length + b.length);
    return a + b;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    meter.copies(a.length + b.length);
    return a.concat(b) as unknown[];
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    meter.text(a.length + b.length);
    return new Uint8Array(Buffer.concat([a, b]));
  }
  if (a instanceof Date && b instanceof Duration) return timestampAt(a.getTime() + msOf(b));
  if (a instanceof Duration && b instanceof Date) return timestampAt(b.getTime() + msOf(a));
  if (a instanceof Duration && b instanceof Duration) return new Duration(a.nanos + b.nanos);
  return calculated(a, b, { int: (x, y) => x + y, double: (x, y) => x + y });
}

function subtract(a: unknown, b: unknown): unknown {
  if (a instanceof Date && b instanceof Date) return ofMs(a.getTime() - b.getTime());
  if (a instanceof Date && b instanceof Duration) return timestampAt(a.getTime() - msOf(b));
  if (a instanceof Duration && b instanceof Duration) return new Duration(a.nanos - b.nanos);
  return calculated(a, b, { int: (x, y) => x - y, double: (x, y) => x - y });
}

type Ordered = string | number | bigint;

export const ORDER: Readonly<Record<string, (a: Ordered, b: Ordered) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** Both sides as JavaScript orders them. */
export function ordered(a: unknown, b: unknown, meter: Meter): [Ordered, Ordered] {
  if (typeof a === 'string' && typeof b === 'string') {
    meter.text(Math.min(a.length, b.length));
    return [a, b];
  }
  if (isNumber(a) && isNumber(b)) return [a, b];
  if (typeof a === 'boolean' && typeof b === 'boolean') return [Number(a), Number(b)];
  if (a instanceof Date && b instanceof Date) return [a.getTime(), b.getTime()];
  return a instanceof Duration && b instanceof Duration ? [a.nanos, b.nanos] : fail();
}

/** `value in container`. */
export function isIn(value: unknown, container: unknown, meter: Meter): boolean {
  if (Array.isArray(container)) return container.some((element) => isEqual(value, element, meter));
  if (typeOf(container) !== 'map') fail();
  return isKey(value) && fieldOf(container as CelMap, String(value)) !== undefined;
}

/** The text under which a map holds a key: those of JSON are texts. */
export function keyOf(key: unknown): string {
  return isKey(key) ? String(key) : fail();
}

function isKey(value: unknown): value is string | number | bigint | boolean {
  return typeof value === 'string' || isNumber(value) || typeof value === 'boolean';
}
