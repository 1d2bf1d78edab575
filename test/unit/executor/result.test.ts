import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completed, thrown } from '../../../services/executor/result.ts';
import { isTime } from '../../../services/core/internal/values.ts';

const DAY_MS = 86_400_000;
const waitOf = (retryAfterMs: unknown): number =>
  thrown(Object.assign(new Error('later'), { retryAfterMs })).retryAfterMs;

describe('what a handler throws', () => {
  it('puts the next attempt off by whole milliseconds, to a time that a calendar has', () => {
    for (const tooLong of [Infinity, 1e300, Number.MAX_SAFE_INTEGER, 2 ** 53]) {
      assert.equal(waitOf(tooLong), 36_525 * DAY_MS);
      assert.ok(isTime(Date.UTC(2026, 0, 1) + waitOf(tooLong)));
    }
    assert.deepEqual([0.1, 1_500, 2_000.5].map(waitOf), [1, 1_500, 2_001]);
  });

  it('puts nothing off where it asks for no time', () => {
    assert.deepEqual([undefined, null, '5', -1, -Infinity, NaN, {}, 5n].map(waitOf), Array(8).fill(0));
  });
});

describe('what a handler returns', () => {
  const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

  it('is refused when readers of records would refuse it for its depth', () => {
    assert.equal(completed(nested(1_000)).kind, 'completed');
    const refused = completed(nested(1_001));
    assert.ok(refused.kind === 'failed' && !refused.retryable);
    assert.equal(refused.error.code, 'result_invalid');
    assert.match(refused.error.message, /nested deeper than 1000 levels/);
  });
});
