import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterProblem, matches, MAX_FILTER_LENGTH } from '../../../services/core/filter/event-filter.ts';

const order = {
  amount: 150,
  plan: 'pro',
  tags: ['a', 'b'],
  customer: { vip: true },
  at: '2026-01-01T00:00:00Z',
  none: null,
};

const passing = [
  'event.amount > 100',
  'event.amount == 150 && event.plan == "pro"',
  'event.plan in ["basic", "pro"]',
  '"a" in event.tags',
  'has(event.customer) && event.customer.vip',
  '!has(event.refund) || event.refund == 0',
  'size(event.tags) == 2',
  'event.plan.startsWith("p") && event.plan.contains("ro")',
  'event["amount"] / 2.0 == 75.0',
  'timestamp(event.at) < timestamp("2027-01-01T00:00:00Z")',
  'event.none == null',
  'event.plan == "pro" ? event.amount > 100 : false',
];
for (const filter of passing) {
  void test(`lets an event pass: ${filter}`, () => {
    assert.equal(filterProblem(filter), undefined);
    assert.equal(matches(filter, order).outcome, 'match');
  });
}

void test('does not let others pass', () =>
  assert.equal(matches('event.amount > 100', { amount: 5 }).outcome, 'other'));

void test('an evaluation that fails is no match, and is told from one', () => {
  assert.equal(matches('event.amount > 100', {}).outcome, 'error');
  assert.equal(matches('event.amount > 100', { amount: '150' }).outcome, 'error');
  assert.equal(matches('event.amount > 100', null).outcome, 'error');
  assert.equal(matches('event.plan', order).outcome, 'error');
  assert.equal(matches('event.constructor == 1', order).outcome, 'error');
});

const refused: [string, RegExp][] = [
  ['event.amount >', /^is not valid at character 15: /],
  ['evnt.amount > 1', /^is not valid at character 1: Unknown variable: evnt$/],
  ['true && event.plan.frobs()', /^is not valid at character \d+: there is no method frobs here; there are contains, /],
  ['1 + 2', /its value is of type int, not true or false$/],
  ['event.items.exists(i, i > 1)', /there is no method exists here/],
  ['event.items.all(i, i > 1)', /there is no method all here/],
  ['event.items.map(i, i)[0]', /there is no method map here/],
  ['cel.bind(x, event, x == 1)', /there is no method bind here/],
  ['event.plan.matches("^(a+)+$")', /there is no method matches here/],
  ['event.plan.contains(event.other)', /contains takes a literal text$/],
  ['[event.plan.matches("a")][0]', /there is no method matches here/],
  ['{"a": event.plan.matches("a")}["a"]', /there is no method matches here/],
  ['', /^is not valid at character 1: /],
  [`event.plan == "${'x'.repeat(MAX_FILTER_LENGTH)}"`, /^is longer than 1000 characters$/],
  [Array.from({ length: 70 }, () => 'event.a').join(' == '), /./],
];
for (const [filter, message] of refused) {
  void test(`is refused when the job is scheduled: ${filter.slice(0, 40)}`, () => {
    assert.match(filterProblem(filter) ?? '', message);
  });
}
