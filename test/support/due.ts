import type { DueRecord } from '../../services/core/records.ts';
import { runIdOf } from '../../services/core/run-id.ts';

/** A due record of a scheduled run, as plain as can be, with these changes. */
export function dueRecord(
  { jobId, scheduledFor, cause = String(scheduledFor) }: { jobId: string; scheduledFor: number; cause?: string },
  changes: Partial<DueRecord> = {},
): DueRecord {
  const runId = runIdOf({ tenant: 'acme', jobId, trigger: 'schedule', cause, scheduledFor });
  return {
    ...{ runId, tenant: 'acme', jobId, jobVersion: 1, type: 'CUSTOM', handler: 'work', queue: 'default' },
    ...{ priority: 'medium', payload: {}, labels: {}, trigger: 'schedule', cause, replayOf: null },
    ...{ idempotencyKey: runId, scheduledFor, dueAt: scheduledFor, attempt: 1 },
    retry: { maxRetries: 2, initialDelayMs: 1_000, factor: 2, maxDelayMs: 60_000, jitter: 0 },
    ...{ timeoutMs: 60_000, delivery: 'at_least_once', cancelGen: 0, tracked: false, failures: [], traceparent: null },
    ...changes,
  };
}
