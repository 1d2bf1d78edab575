/** What holds for a run: what its job says, or else its handler. Pure. */
import type { DueRecord } from '../core/records.ts';
import { resolvePolicy, saidBy, type RunPolicy as Settings } from '../core/run-policy.ts';
import type { Handler } from './handlers/handler.ts';

export type RunPolicy = Settings & { maxAttempts: number };

/** A handler's `timeout` and `retry` are known here only, so what the job leaves open is resolved here. */
export function policyOf(due: DueRecord, handler: Pick<Handler, 'timeoutMs' | 'retry'>): RunPolicy {
  const settings = resolvePolicy(due.type, due.delivery, saidBy(due), handler);
  return { ...settings, maxAttempts: settings.retry.maxRetries + 1 };
}
