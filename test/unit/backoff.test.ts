import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryDelayMs } from '../../services/core/backoff.ts';
import type { RetryPolicy } from '../../services/core/model.ts';

const POLICY: RetryPolicy = { maxRetries: 3, initialDelayMs: 2000, factor: 2, maxDelayMs: 3_600_000, jitter: 0 };

describe('retryDelayMs', () => {
  const cases: [string, Partial<RetryPolicy>, number, number, number][] = [
    ['waits 2 s before the first retry', {}, 1, 0.5, 2000],
    ['waits 4 s before the second', {}, 2, 0.5, 4000],
    ['waits 8 s before the third', {}, 3, 0.5, 8000],
    ['waits no longer than maxDelay', {}, 20, 0.5, 3_600_000],
    ['stays at maxDelay where the power is infinite', {}, 5000, 0.5, 3_600_000],
    ['stays at 0 where the power is infinite', { initialDelayMs: 0 }, 5000, 0.5, 0],
    ['stays constant with factor 1', { factor: 1 }, 7, 0.5, 2000],
    ['shortens by the share at the most', { jitter: 0.25 }, 1, 0, 1500],
    ['lengthens by the share at the most', { jitter: 0.25 }, 1, 1, 2500],
    ['spreads retries at maxDelay, too', { jitter: 0.1 }, 20, 1, 3_960_000],
    ['gives whole milliseconds', { initialDelayMs: 1, factor: 1.5 }, 2, 0.5, 2],
  ];
  for (const [title, policy, retryNumber, random01, expected] of cases) {
    it(title, () => assert.equal(retryDelayMs({ ...POLICY, ...policy }, retryNumber, random01), expected));
  }
});
