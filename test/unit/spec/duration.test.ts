import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_DURATION_MS, formatDuration, parseDuration } from '../../../services/core/spec/duration.ts';

describe('durations', () => {
  for (const [text, ms] of [
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['90m', 5_400_000],
    ['36525d', MAX_DURATION_MS],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of [
    '',
    '5',
    '-5m',
    '5 m',
    '30m1h',
    '1m1m',
    '1.5h',
    '5M',
    '1w',
    'm',
    '36525d1ms',
    '999999999999999d',
    '1e3s',
    '５m',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseDuration(text), undefined));
  }

  for (const [ms, text] of [
    [0, '0s'],
    [90_000, '1m30s'],
    [1_500, '1s500ms'],
    [86_400_000, '1d'],
    [1.6, '2ms'],
  ] as const) {
    it(`writes ${ms} ms as ${text}`, () => assert.equal(formatDuration(ms), text));
  }

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => parseDuration(formatDuration(ms)) === ms),
    );
  });
});
