/** Commands on jobs, decided without a timer: pure functions. */
import assert from 'node:assert/strict';
import type { Job } from '../../../services/core/model.ts';
import { parseCommand } from '../../../services/core/spec/parse-command.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import type { Applied, CommandContext } from '../../../services/timer/applied.ts';
import { applyCommand, type JobCommand } from '../../../services/timer/apply-command.ts';

export const NOW = Date.UTC(2026, 0, 1);
export const HOUR = 3_600_000;
const spec = { allowInlineSecrets: false, topicPrefix: '', allowTopics: null };

export function context(changes: Partial<CommandContext> = {}): CommandContext {
  return {
    now: NOW,
    topics: topicsOf(''),
    worker: 'timer',
    retryTimers: () => [],
    existing: new Set(),
    partition: 0,
    recordTimestampMs: NOW,
    isRunOnly: false,
    offset: '7',
    traceparent: null,
    spec,
    seen: false,
    stored: undefined,
    arrivals: [],
    runs: new Map(),
    hasTopic: () => true,
    waiting: { timer: undefined, isParked: false },
    isPublishing: () => false,
    occurrenceRuns: () => null,
    ...changes,
  };
}

let ids = 0;
export function command(value: Record<string, unknown>): JobCommand {
  const parsed = parseCommand({ commandId: `c${++ids}`, tenant: 't', jobId: 'j', ...value }, spec);
  if ('rejection' in parsed) throw new Error(parsed.rejection.message);
  assert.notEqual(parsed.type, 'emit');
  return parsed as JobCommand;
}

export const schedule = (when: object, job: object = {}, head: object = {}): JobCommand =>
  command({ type: 'schedule', job: { type: 'CUSTOM', handler: 'h', schedule: when, ...job }, ...head });

export function effectsOf(applied: Applied): Extract<Applied, { outcome: 'applied' }>['effects'] {
  assert.equal(applied.outcome, 'applied');
  return applied.effects;
}

export const apply = (job: Job | undefined, what: JobCommand, changes?: Partial<CommandContext>): Job =>
  effectsOf(applyCommand(job, what, context(changes))).job!;

export const every = { every: '1h' };
export const hourly = (): Job => apply(undefined, schedule(every));
export const later = (job: Job, changes: Partial<Job>): Job => ({ ...job, ...changes });
