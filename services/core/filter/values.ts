/**
 * The values of CEL, as the evaluator holds them: JSON as it came (numbers are doubles), `bigint` for int and uint, `Uint8Array` for
 * bytes, `Date` for timestamps, and the two below.
 */
import type { Meter } from './meter.ts';

/** A span of time in nanoseconds, as CEL counts them. */
export class Duration {
  readonly nanos: bigint;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** What `type(x)` gives. There is one object of each, so that identity is equality. */
export class CelType {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const NAMES = ['bool', 'int', 'double', 'string', 'bytes', 'list', 'map', 'null_type', 'type'] as const;
const TIMESTAMP = 'google.protobuf.Timestamp';
const DURATION = 'google.protobuf.Duration';

export type TypeName = (typeof NAMES)[number] | typeof TIMESTAMP | typeof DURATION;

export const TYPES = Object.fromEntries(
  [...NAMES, TIMESTAMP, DURATION].map((name) => [name, new CelType(name)]),
) as Record<TypeName, CelType>;

/** The names that an expression may use beside `event`. An unsigned integer is an integer here. */
export const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...NAMES.map((name) => [name, TYPES[name]] as const),
  ['uint', TYPES.int],
  ['google', { protobuf: { Timestamp: TYPES[TIMESTAMP], Duration: TYPES[DURATION] } }],
]);

/** The type of a value; undefined for what no expression can hold. */
export function typeOf(value: unknown): TypeName | undefined {
  if (typeof value === 'object') return typeOfObject(value);
  return PRIMITIVES[typeof value];
}

const PRIMITIVES: Readonly<Partial<Record<string, TypeName>>> = {
  string: 'string',
  number: 'double',
  bigint: 'int',
  boolean: 'bool',
};

function typeOfObject(value: object | null): TypeName {
  if (value === null) return 'null_type';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Date) return TIMESTAMP;
  if (value instanceof Duration) return DURATION;
  if (value instanceof CelType) return 'type';
  return value instanceof Uint8Array ? 'bytes' : 'map';
}

export type CelMap = Readonly<Record<string, unknown>>;

/** What a map holds under a key; undefined when it has no such key. Only its own: `constructor` is a key like any other. */
export function fieldOf(map: CelMap, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/**
 * Deep equality. Integers and doubles are compared by their value; values of different types are not equal.
 * @param meter is charged for each element that is looked at, and for the characters of equally long texts
 */
export function isEqual(a: unknown, b: unknown, meter: Meter): boolean {
  meter.element();
  if (typeof a === 'string' && typeof b === 'string') {
    if (a.length !== b.length) return false;
    meter.text(a.length);
    return a === b;
  }
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return a == b; // eslint-disable-line eqeqeq -- an int and a double may be equal
  const type = typeOf(a);
  if (type === undefined || type !== typeOf(b)) return false;
  if (type === 'list') return areEqualLists(a as unknown[], b as unknown[], meter);
  if (type === 'map') return areEqualMaps(a as CelMap, b as CelMap, meter);
  if (type === TIMESTAMP) return (a as Date).getTime() === (b as Date).getTime();
  if (type === DURATION) return (a as Duration).nanos === (b as Duration).nanos;
  return type === 'bytes' && areEqualBytes(a as Uint8Array, b as Uint8Array, meter);
}

export function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function areEqualLists(a: readonly unknown[], b: readonly unknown[], meter: Meter): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (!isEqual(a[index], b[index], meter)) return false;
  return true;
}

function areEqualMaps(a: CelMap, b: CelMap, meter: Meter): boolean {
  const keys = Object.keys(a);
  meter.elements(keys.length);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) if (!Object.hasOwn(b, key) || !isEqual(a[key], b[key], meter)) return false;
  return true;
}

function areEqualBytes(a: Uint8Array, b: Uint8Array, meter: Meter): boolean {
  meter.text(Math.min(a.length, b.length));
  return Buffer.compare(a, b) === 0;
}
