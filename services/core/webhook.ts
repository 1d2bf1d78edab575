/** Webhooks, the pure part: which of them hear of an outcome, what they are sent, and how that is signed. */
import { createHmac } from 'node:crypto';
import type { NotifyCommand } from './internal-command.ts';
import type { JobSpec } from './model.ts';
import type { WebhookFilter } from './ports/webhooks.ts';
import type { Outcome } from './records.ts';
import { outcomeJson } from './resources.ts';
import { OUTCOME_EVENT } from './own-names.ts';
import { runIdOf } from './run-id.ts';
import { formatInstant } from './spec/instant.ts';

export function hears({ statuses, jobs, handlers, labels }: WebhookFilter, outcome: Outcome): boolean {
  return (
    statuses.includes(outcome.status) &&
    (jobs.length === 0 || jobs.includes(outcome.jobId)) &&
    (handlers.length === 0 || handlers.includes(outcome.handler)) &&
    Object.entries(labels).every(([key, value]) => outcome.labels[key] === value)
  );
}

/** What is sent, as Standard Webhooks advises: `type`, `timestamp`, `data`. */
export function bodyOf(type: string, at: number, data: object): object {
  return { type, timestamp: formatInstant(at), data };
}

/** @param type the outcome's event type: `belfry.run.failed.v1` */
export function outcomeBody(type: string, outcome: Outcome): object {
  return bodyOf(type, outcome.finishedAt, outcomeJson(outcome));
}

/** The run that a notice makes. */
export function deliveryRunId({ tenant, jobId, commandId, at }: Omit<NotifyCommand, 'body' | 'type' | 'ack'>): string {
  return runIdOf({ tenant, jobId, trigger: 'event', cause: `${OUTCOME_EVENT} ${commandId}`, scheduledFor: at });
}

/**
 * The header `webhook-signature` (https://www.standardwebhooks.com, version 1: HMAC-SHA256).
 * @param seconds since the epoch, as in the header `webhook-timestamp`
 * @param keys one signature for each
 */
export function signatureOf(id: string, seconds: number, body: string, keys: readonly Buffer[]): string {
  const signed = `${id}.${seconds}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`).join(' ');
}

const HOUR_MS = 3_600_000;

/** The job whose runs deliver: tried 11 times within 16 hours, the waits three times as long each: 2 s, 6 s, … 10 h. */
export function webhookSpec(queue: string): JobSpec {
  const bounds = { startAt: null, endAt: null, exclude: [], jitterMs: 0, maxRuns: null };
  return {
    ...{ type: 'WEBHOOK', handler: '', payload: {}, queue, priority: 'medium', delivery: 'at_least_once', labels: {} },
    schedule: { kind: 'on', event: OUTCOME_EVENT, filter: null, waitMs: 0, timezone: 'UTC', ...bounds },
    retry: { maxRetries: 10, initialDelayMs: 2_000, factor: 3, maxDelayMs: 10 * HOUR_MS, jitter: 0.1 },
    timeoutMs: 30_000,
    overlap: 'allow',
    missed: { policy: 'once', thresholdMs: 60_000, windowMs: null, limit: 100 },
  };
}
