/** Every function, method and operator that a filter may use, on the payloads that are worst for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { filterProblem, matches, MAX_FILTER_LENGTH } from '../../../services/core/filter/event-filter.ts';
import { FUNCTIONS, METHODS } from '../../../services/core/filter/functions.ts';
import { MAX_WORK } from '../../../services/core/filter/meter.ts';
import { FanOutBudget, fanOut, type Emit, type FannedOut } from '../../../services/timer/fan-out.ts';
import { timed } from '../../support/processor-time.ts';

const SIZE = 256 * 1024;
/**
 * What an evaluation may take of the processor, with room for whatever runs beside: 10 to 40 ms where nothing does. What is bounded for certain
 * is the work; this holds the two together, and what is not linear takes seconds here.
 */
const MAX_MS = 400;
const costOf = <T>(run: () => T): { result: T; ms: number } => timed(run, MAX_MS / 2);

const texts: Record<string, string> = {
  digits: '1'.repeat(SIZE),
  'digits with a unit at the end': `${'1'.repeat(SIZE)}s`,
  dots: '1.'.repeat(SIZE / 2),
  terms: '1h'.repeat(SIZE / 2),
  spaces: ' '.repeat(SIZE),
  'spaces around a letter': `${' '.repeat(SIZE / 2)}a${' '.repeat(SIZE / 2)}`,
  quotes: '"'.repeat(SIZE),
  letters: 'a'.repeat(SIZE),
  surrogates: '😀'.repeat(SIZE / 4),
  'what grows in upper case': 'ß'.repeat(SIZE / 2),
  dashes: '-'.repeat(SIZE),
};

const nested: Record<string, unknown> = {
  'a deep list': deep((inner) => [inner]),
  'a deep map': deep((inner) => ({ a: inner })),
  'a wide list': Array.from({ length: SIZE / 2 }, () => 1),
  'a list of lists': Array.from({ length: SIZE / 3 }, () => []),
  'a wide map': Object.fromEntries(Array.from({ length: SIZE / 10 }, (_, index) => [`k${index}`, index])),
};

function deep(wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 'x';
  for (let depth = 0; depth < SIZE / 6; depth++) value = wrap(value);
  return value;
}

/** `s` twice, since a value is equal to itself without being looked at. */
const payloads = Object.entries({ ...texts, ...nested }).map(
  ([name, value]) => [name, { s: value, t: structuredCloneDeep(value), other: 5 }] as const,
);

function structuredCloneDeep(value: unknown): unknown {
  if (typeof value === 'string') return `${value.slice(0, -1)}${value.slice(-1)}`;
  return Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) };
}

const argumentOf: Record<string, string> = {
  contains: `"${'a'.repeat(900)}b"`,
  startsWith: 'event.t',
  endsWith: 'event.t',
};

const filters = [
  ...Object.keys(FUNCTIONS).map((name) => `${name}(event.s) == ${name}(event.t)`),
  ...Object.entries(METHODS).flatMap(([name, { args }]) => [
    `event.s.${name}(${args.includes(0) ? '' : argumentOf[name]}) == true`,
    ...(name.startsWith('get') ? [`timestamp("2026-01-01T00:00:00Z").${name}(event.s) == 1`] : []),
  ]),
  ...['==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'].map((operator) =>
    repeated(40, (index) => `(event.s ${operator} event.t) == ${index % 2 === 0}`, '||'),
  ),
  'event.s in event.t || event.other in event.s || "x" in event.s',
  repeated(40, () => 'event.s', ' + ') + ' == event.t',
  repeated(60, () => 'size(event.s) == 1', '||'),
  repeated(30, () => '"b" in event.s', '||'),
  `duration("${'1'.repeat(950)}") == duration("1s")`,
  `timestamp("${'1'.repeat(950)}") == timestamp("2026-01-01T00:00:00Z")`,
  `event.s.contains("b${'a'.repeat(900)}")`,
  `event.s.contains("${'ab'.repeat(450)}")`,
  'has(event.s.a) || has(event.t)',
  'event.s[0] == event.t[0] || event[event.s] == 1',
  `[${repeated(90, () => 'event.s', ',')}] == [${repeated(90, () => 'event.t', ',')}]`,
];

function repeated(count: number, of: (index: number) => string, separator: string): string {
  let text = of(0);
  for (
    let index = 1;
    index < count && text.length + of(index).length + separator.length < MAX_FILTER_LENGTH - 30;
    index++
  )
    text += separator + of(index);
  return text;
}

void describe('a filter costs at most what its size and the payload allow', () => {
  for (const filter of filters) {
    void test(`${filter.slice(0, 60)}`, () => {
      for (const [name, payload] of payloads) {
        const { result, ms } = costOf(() => matches(filter, payload));
        assert.ok(result.work <= MAX_WORK + SIZE * 64, `${name}: ${result.work} units of work`);
        assert.ok(ms < MAX_MS, `${name}: ${ms} ms`);
      }
    });
  }
});

void test('the worst cases are filters that a job may have', () => {
  const accepted = filters.filter((filter) => filterProblem(filter) === undefined);
  assert.ok(accepted.length > filters.length / 2, `only ${accepted.length} of ${filters.length}`);
});

void test('one event of 30 jobs with expensive filters goes out over several steps, each of them short', () => {
  const filter = repeated(20, (index) => `event.s.contains("${'a'.repeat(20)}b${index}")`, '||');
  const subscribers = Array.from({ length: 30 }, (_, index) => ({ jobId: `job-${index + 10}`, filter }));
  const event = { name: 'boom', id: 'e1', payload: { s: texts.letters } };
  const emit: Emit = {
    tenant: 'acme',
    jobId: 'boom',
    event,
    at: 0,
    after: '',
    part: 0,
    matched: 0,
    commandId: 'c',
    ack: false,
  };
  let [parts, longest] = [0, 0];
  for (let next: Emit | undefined = emit; next !== undefined; parts++) {
    const part: Emit = next;
    const left = subscribers.filter(({ jobId }) => jobId > part.after);
    const { result, ms } = costOf((): FannedOut =>
      fanOut(part, { subscribers: left, isAll: true }, new FanOutBudget()),
    );
    longest = Math.max(longest, ms);
    next = result.rest;
  }
  assert.ok(parts > 3, `${parts} parts`);
  assert.ok(longest < MAX_MS, `the longest took ${longest} ms`);
});
