/** What holds for a run: the job's own values, or its handler's. Pure. */
import type { RetryPolicy } from '../core/model.ts';
import type { DueRecord } from '../core/records.ts';
import type { Handler } from './handlers/handler.ts';

const GENERAL_RETRY: RetryPolicy = {
  maxRetries: 3,
  initialDelayMs: 2_000,
  factor: 2,
  maxDelayMs: 3_600_000,
  jitter: 0,
};
const GENERAL_TIMEOUT_MS = { HTTP_REQUEST: 30_000, other: 15 * 60_000 } as const;

export type RunPolicy = { retry: RetryPolicy; timeoutMs: number; maxAttempts: number };

/**
 * A handler's `timeout` and `retry` are known here only, not where jobs are validated. So they hold for jobs that have
 * the general default; a job that says something else says what it wants.
 */
export function policyOf(due: DueRecord, handler: Pick<Handler, 'timeoutMs' | 'retry'>): RunPolicy {
  const generalTimeoutMs = due.type === 'HTTP_REQUEST' ? GENERAL_TIMEOUT_MS.HTTP_REQUEST : GENERAL_TIMEOUT_MS.other;
  const timeoutMs = due.timeoutMs === generalTimeoutMs ? (handler.timeoutMs ?? due.timeoutMs) : due.timeoutMs;
  const retry = isGeneral(due.retry) ? (handler.retry ?? due.retry) : due.retry;
  return { retry, timeoutMs, maxAttempts: due.delivery === 'at_most_once' ? 1 : retry.maxRetries + 1 };
}

function isGeneral(retry: RetryPolicy): boolean {
  return (Object.keys(GENERAL_RETRY) as (keyof RetryPolicy)[]).every((key) => retry[key] === GENERAL_RETRY[key]);
}
