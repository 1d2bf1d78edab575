import assert from 'node:assert/strict';
import type { JobSpec } from '../../../services/core/model.ts';
import type { Rejection } from '../../../services/core/records.ts';
import type { SpecOptions } from '../../../services/core/spec/options.ts';
import { parseJobSpec } from '../../../services/core/spec/parse-command.ts';

export const OPTIONS: SpecOptions = { allowInlineSecrets: false, topicPrefix: 'test.', allowTopics: null };

/** A valid job with these fields changed; undefined takes one away. */
export function jobWith(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { type: 'CUSTOM', handler: 'send-invoice', schedule: { at: '2026-12-01T09:00:00Z' }, ...fields };
}

export const cronJobWith = (fields: Record<string, unknown> = {}) =>
  jobWith({ schedule: { cron: '0 9 * * *' }, ...fields });

export const httpJobWith = (payload: Record<string, unknown>) =>
  jobWith({ type: 'HTTP_REQUEST', handler: undefined, payload: { url: 'https://example.com/hook', ...payload } });

export const kafkaJobWith = (payload: Record<string, unknown>) =>
  jobWith({ type: 'KAFKA_MESSAGE', handler: undefined, payload: { topic: 'orders', ...payload } });

export function accepted<T extends object>(result: T | { rejection: Rejection }): T {
  assert.ok(!('rejection' in result), `refused: ${JSON.stringify(result)}`);
  return result;
}

export function refused(result: object): Rejection {
  assert.ok('rejection' in result, `accepted: ${JSON.stringify(result)}`);
  return result.rejection as Rejection;
}

export const specOf = (job: unknown, options = OPTIONS): JobSpec => accepted(parseJobSpec(job, options));

export const refusalOf = (job: unknown, options = OPTIONS): Rejection => refused(parseJobSpec(job, options));
