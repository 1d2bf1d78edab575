import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  MAX_INSTANT_MS,
  explainInstant,
  formatInstant,
  isDay,
  parseInstant,
} from '../../../services/core/spec/instant.ts';

describe('times', () => {
  for (const [text, same] of [
    ['2026-12-01T09:00:00Z', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T09:00Z', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T10:00:00+01:00', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T03:30:00-0530', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T10:00+01', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T09:00:00.5Z', '2026-12-01T09:00:00.500Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(formatInstant(parseInstant(text)!), same));
  }

  it('rounds finer fractions up, so that nothing happens early', () => {
    assert.equal(formatInstant(parseInstant('2026-12-01T09:00:00.000000001Z')!), '2026-12-01T09:00:00.001Z');
    assert.equal(formatInstant(parseInstant('2026-12-01T09:00:00.123000Z')!), '2026-12-01T09:00:00.123Z');
  });

  for (const [text, why] of [
    ['2026-12-01T09:00:00', /needs an offset: write 2026-12-01T09:00:00Z/],
    ['2026-02-30T09:00:00Z', /day that does not exist/],
    ['2027-02-29T09:00:00Z', /day that does not exist/],
    ['2026-13-01T09:00:00Z', /day that does not exist/],
    ['2026-00-10T09:00:00Z', /day that does not exist/],
    ['2026-12-00T09:00:00Z', /day that does not exist/],
    ['2026-12-01T24:00:00Z', /time of day that does not exist/],
    ['2026-12-01T09:60:00Z', /time of day that does not exist/],
    ['2026-12-01T09:00:60Z', /time of day that does not exist/],
    ['2026-12-01T09:00:00+24:00', /offset that does not exist/],
    ['1969-12-31T23:59:59Z', /between the years 1970 and 9999/],
    ['1970-01-01T00:00:00+01:00', /between the years 1970 and 9999/],
    ['0099-01-01T00:00:00Z', /between the years 1970 and 9999/],
    ['2026-12-01', /ISO 8601/],
    ['2026-12-01 09:00:00Z', /ISO 8601/],
    ['tomorrow', /ISO 8601/],
    ['', /ISO 8601/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)} and says why`, () => {
      assert.equal(parseInstant(text), undefined);
      assert.match(explainInstant(text)!, why);
    });
  }

  it('reads what it writes', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: MAX_INSTANT_MS }), (ms) => parseInstant(formatInstant(ms)) === ms));
  });

  it('knows which days the calendar has', () => {
    assert.ok(isDay('2028-02-29'));
    for (const text of ['2027-02-29', '2026-12-32', '2026-1-1', '2026-12-01T00:00:00Z']) assert.ok(!isDay(text), text);
  });
});
