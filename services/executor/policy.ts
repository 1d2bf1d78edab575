/** What holds for a run: what its job says, or else its handler, up to what the operator allows. Pure. */
import type { DueRecord } from '../core/records.ts';
import { resolvePolicy, saidBy, type RunPolicy as Settings } from '../core/run-policy.ts';
import type { Handler } from './handlers/handler.ts';

export type RunPolicy = Settings & {
  maxAttempts: number;
  /** The timeout is the operator's, shorter than what the job or its handler says. */
  isCapped: boolean;
};

/**
 * A handler's `timeout` and `retry` are known here only, so what the job leaves open is resolved here.
 * @param maxTimeoutMs the operator's: a longer timeout is capped, whoever set it
 */
export function policyOf(
  due: DueRecord,
  handler: Pick<Handler, 'timeoutMs' | 'retry'>,
  maxTimeoutMs = Infinity,
): RunPolicy {
  const settings = resolvePolicy(due.type, due.delivery, saidBy(due), handler);
  const isCapped = settings.timeoutMs > maxTimeoutMs;
  const timeoutMs = isCapped ? maxTimeoutMs : settings.timeoutMs;
  return { ...settings, timeoutMs, isCapped, maxAttempts: settings.retry.maxRetries + 1 };
}
