/** The evaluator against the library whose language it speaks, on payloads that do the library no harm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { filterProblem, matches } from '../../../services/core/filter/event-filter.ts';

const library = new Environment({ homogeneousAggregateLiterals: false }).registerVariable('event', 'dyn');

const payload = {
  n: 150,
  half: 0.5,
  minus: -3,
  text: 'pro',
  digits: '42',
  flag: true,
  none: null,
  list: ['a', 'pro', 3],
  empty: [],
  map: { a: 1, b: { c: 'deep' } },
  at: '2026-03-29T01:30:00.250Z',
  later: '2027-01-01T00:00:00+02:00',
  span: '1h30m0.5s',
};

const literal = fc.constantFrom(
  ...[
    '1',
    '-3',
    '0',
    '150',
    '2.0',
    '0.5',
    '"pro"',
    '"a"',
    '"42"',
    '"x y"',
    'true',
    'false',
    'null',
    '[]',
    '["a", "pro"]',
    '[1, 2.0]',
  ],
  ...[
    '{"a": 1}',
    'b"ab"',
    'duration("90m")',
    'duration("-1.5s")',
    'timestamp("2026-03-29T01:30:00Z")',
    'string',
    'int',
  ],
);
const field = fc
  .constantFrom(
    ...[
      'n',
      'half',
      'minus',
      'text',
      'digits',
      'flag',
      'none',
      'list',
      'empty',
      'map',
      'map.a',
      'map.b.c',
      'list[0]',
      'list[7]',
      'at',
      'later',
      'span',
    ],
    ...['missing', 'missing.x', 'map["a"]', 'map["z"]', 'constructor'],
  )
  .map((name) => `event.${name}`);
const binary = fc.constantFrom(...['==', '!=', '<', '<=', '>', '>=', '&&', '||', 'in', '+', '-', '*', '/', '%']);
const unary = fc.constantFrom(
  '!',
  '-',
  'size',
  'type',
  'dyn',
  'bool',
  'int',
  'double',
  'string',
  'timestamp',
  'duration',
  'has',
);
const method = fc.constantFrom(
  ...['contains("r")', 'startsWith("p")', 'endsWith("o")', 'size()', 'lowerAscii()', 'upperAscii()', 'trim()'],
  ...['getFullYear()', 'getMonth()', 'getDate()', 'getDayOfMonth()', 'getDayOfWeek()', 'getHours()', 'getMinutes()'],
  ...[
    'getSeconds()',
    'getMilliseconds()',
    'getHours("America/New_York")',
    'getDate("Asia/Tokyo")',
    'getMonth("Europe/Paris")',
  ],
);

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthSize: 'medium' },
    literal,
    field,
    fc.tuple(tie('expression'), binary, tie('expression')).map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    fc.tuple(unary, tie('expression')).map(([name, a]) => `${name}(${a})`),
    fc.tuple(tie('expression'), method).map(([a, name]) => `(${a}).${name}`),
    fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
}));

function byLibrary(filter: string): 'match' | 'other' | 'error' {
  try {
    const value: unknown = library.evaluate(filter, { event: payload });
    return value === true ? 'match' : value === false ? 'other' : 'error';
  } catch {
    return 'error';
  }
}

void test('a filter that is accepted means what it means in the library', () => {
  let [compared, evaluated] = [0, 0];
  fc.assert(
    fc.property(expression, expression, fc.constantFrom('==', '<', '&&', '||', 'in'), (a, b, operator) => {
      const filter = `${a} ${operator} ${b}`;
      if (filterProblem(filter) !== undefined) return;
      const expected = byLibrary(filter);
      compared++;
      if (expected !== 'error') evaluated++;
      assert.equal(matches(filter, payload).outcome, expected, filter);
    }),
    { numRuns: 6_000 },
  );
  assert.ok(
    compared > 300 && evaluated > 60,
    `only ${compared} filters were compared, ${evaluated} of them with a value`,
  );
});
