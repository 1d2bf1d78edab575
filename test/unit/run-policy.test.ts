import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DueRecord } from '../../services/core/records.ts';
import { parseJobSpec } from '../../services/core/spec/parse-command.ts';
import { policyOf } from '../../services/executor/policy.ts';
import { dueRecord } from '../support/due.ts';

type Said = { type?: string; timeout?: string; retry?: Record<string, unknown>; delivery?: string };

/** The due record of a job that says this, as a timer makes it. */
function dueOf({ type = 'CUSTOM', ...said }: Said): DueRecord {
  const own = type === 'CUSTOM' ? { handler: 'work' } : { payload: { method: 'GET', url: 'https://example.com' } };
  const job = { type, ...own, schedule: { in: '0s' }, ...said };
  const spec = parseJobSpec(job, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  assert.ok(!('rejection' in spec));
  const { retry, timeoutMs, explicit, delivery } = spec;
  return dueRecord(
    { jobId: 'x', scheduledFor: 0 },
    { type: spec.type, retry, timeoutMs, explicit: explicit!, delivery },
  );
}

const HANDLER = { timeoutMs: 30_000, retry: { maxRetries: 0, initialDelayMs: 10_000 } };

void describe('timeout and retry of a run', () => {
  void it('are what its job says, be it the very default, before what its handler says', () => {
    const said = dueOf({ timeout: '15m', retry: { maxRetries: 3, initialDelay: '2s' } });
    const { timeoutMs, retry, maxAttempts } = policyOf(said, HANDLER);
    assert.deepEqual([timeoutMs, retry.maxRetries, retry.initialDelayMs, maxAttempts], [900_000, 3, 2_000, 4]);
  });

  void it("are its handler's where its job says nothing, setting by setting", () => {
    assert.deepEqual(policyOf(dueOf({}), HANDLER), {
      timeoutMs: 30_000,
      retry: { maxRetries: 0, initialDelayMs: 10_000, factor: 2, maxDelayMs: 3_600_000, jitter: 0 },
      isCapped: false,
      maxAttempts: 1,
    });
    const { timeoutMs, retry } = policyOf(dueOf({ retry: { maxRetries: 5 } }), HANDLER);
    assert.deepEqual([timeoutMs, retry.maxRetries, retry.initialDelayMs], [30_000, 5, 10_000]);
  });

  void it('are the defaults where nobody says anything', () => {
    const retry = { maxRetries: 3, initialDelayMs: 2_000, factor: 2, maxDelayMs: 3_600_000, jitter: 0 };
    assert.deepEqual(policyOf(dueOf({}), {}), { timeoutMs: 900_000, isCapped: false, retry, maxAttempts: 4 });
    assert.equal(policyOf(dueOf({ type: 'HTTP_REQUEST' }), {}).timeoutMs, 30_000);
  });

  void it('wait no shorter than the first delay that the job says, whatever the longest of its handler is', () => {
    const { retry } = policyOf(dueOf({ retry: { initialDelay: '2h' } }), { retry: { maxDelayMs: 60_000 } });
    assert.deepEqual([retry.initialDelayMs, retry.maxDelayMs], [7_200_000, 7_200_000]);
  });

  void it('have one attempt where it is at_most_once, whatever the handler says', () => {
    assert.equal(policyOf(dueOf({ delivery: 'at_most_once' }), { retry: { maxRetries: 9 } }).maxAttempts, 1);
  });

  void it('of a record that a timer of the release before wrote are as they were: what equals the default is unsaid', () => {
    const { explicit: _, ...before } = dueOf({ timeout: '15m', retry: { maxRetries: 3 } });
    assert.deepEqual(policyOf(before, HANDLER).retry.maxRetries, 0);
    assert.deepEqual(policyOf(before, HANDLER).timeoutMs, 30_000);
    const own = policyOf({ ...before, retry: { ...before.retry, factor: 3 } }, HANDLER);
    assert.deepEqual([own.retry.maxRetries, own.retry.initialDelayMs], [3, 2_000]);
  });

  void it('are numbers in every record, for executors of the release before', () => {
    const { timeoutMs, retry } = dueOf({});
    assert.deepEqual([timeoutMs, retry.maxRetries, retry.maxDelayMs], [900_000, 3, 3_600_000]);
  });
});
