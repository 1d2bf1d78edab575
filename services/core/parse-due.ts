import { JOB_TYPES, PRIORITIES } from './model.ts';
import type { DueRecord } from './records.ts';

const NUMBERS = ['jobVersion', 'scheduledFor', 'dueAt', 'attempt', 'timeoutMs', 'cancelGen'] as const;
const RETRY_NUMBERS = ['maxRetries', 'initialDelayMs', 'factor', 'maxDelayMs', 'jitter'] as const;
const TEXTS = [
  'runId',
  'tenant',
  'jobId',
  'handler',
  'queue',
  'cause',
  'trigger',
  'idempotencyKey',
  'delivery',
] as const;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Reads the value of a due or retry record. These topics are Belfry's own, so the check is of the shape alone: enough
 * that no later stage can stumble over it.
 * @returns undefined when it is none
 */
export function parseDue(value: Buffer | null): DueRecord | undefined {
  if (value === null) return undefined;
  let read: unknown;
  try {
    read = JSON.parse(value.toString());
  } catch {
    return undefined;
  }
  return isDue(read) ? read : undefined;
}

function isDue(read: unknown): read is DueRecord {
  if (typeof read !== 'object' || read === null) return false;
  const due = read as Record<string, unknown>;
  return (
    TEXTS.every((name) => typeof due[name] === 'string') &&
    NUMBERS.every((name) => Number.isFinite(due[name])) &&
    UUID.test(due.runId as string) &&
    (PRIORITIES as readonly unknown[]).includes(due.priority) &&
    (JOB_TYPES as readonly unknown[]).includes(due.type) &&
    typeof due.labels === 'object' &&
    Array.isArray(due.failures) &&
    typeof due.retry === 'object' &&
    due.retry !== null &&
    RETRY_NUMBERS.every((name) => Number.isFinite((due.retry as Record<string, unknown>)[name]))
  );
}
