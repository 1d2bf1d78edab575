/** A job as users write it → `JobSpec`, with every default filled in. */
import { z } from 'zod';
import {
  MISSED_POLICIES,
  OVERLAPS,
  PRIORITIES,
  USER_JOB_TYPES,
  type JobSpec,
  type MissedPolicy,
  type Schedule,
} from '../model.ts';
import { isOneShot, shortestIntervalOf } from '../occurrences/schedule.ts';
import { formatDuration } from './duration.ts';
import { DEFAULT_RETRY, resolvePolicy, settingsOf, type SaidPolicy } from '../run-policy.ts';
import { amount, duration, mapOf, name, record, whole, word } from './fields.ts';
import { CONCURRENCY_KEY, HANDLER, JOB_ID, LABEL_KEY, LABEL_VALUE, QUEUE } from './names.ts';
import { listed } from './problems.ts';
import { scheduleSchema, storedScheduleSchema } from './schedule-schema.ts';

/** Types whose names are kept for later. */
const RESERVED_JOB_TYPES: readonly unknown[] = ['DATABASE_QUERY', 'ETL_TASK', 'NOTIFICATION', 'DATA_SYNC'];

const HOUR_MS = 3_600_000;
/** Timers of JavaScript end at 24.8 days, and an attempt that long is a mistake. */
const MAX_TIMEOUT_MS = 7 * 24 * HOUR_MS;

const typeSchema = z.enum(USER_JOB_TYPES, {
  error: ({ input }) =>
    RESERVED_JOB_TYPES.includes(input)
      ? `${String(input)} is reserved, not available yet; use ${listed(USER_JOB_TYPES)}`
      : `must be ${listed(USER_JOB_TYPES)}`,
});

const retrySchema = record('retry', {
  maxRetries: whole(0, 100).optional(),
  initialDelay: duration().optional(),
  factor: amount(1, 10).optional(),
  maxDelay: duration().optional(),
  jitter: amount(0, 1).optional(),
});

const missedSchema = record('missed', {
  policy: word(MISSED_POLICIES).default('once'),
  // Below a second even an idle, healthy scheduler would count its own small delays as missed.
  threshold: duration(1_000).optional(),
  window: duration(1).optional(),
  limit: whole(1, 1_000).optional(),
});

const MOST_AT_ONCE = 10_000;
const concurrencyKeySchema = z.union(
  [
    record('a concurrencyKey', { key: name(CONCURRENCY_KEY), limit: whole(1, MOST_AT_ONCE).default(1) }),
    name(CONCURRENCY_KEY).transform((key) => ({ key, limit: 1 })),
  ],
  {
    error: `must be text of 1 to 200 characters, which means limit 1, or { "key": text, "limit": whole number from 1 to ${MOST_AT_ONCE} }`,
  },
);

const shape = {
  type: typeSchema,
  handler: name(HANDLER).optional(),
  payload: z.unknown().optional(),
  schedule: scheduleSchema,
  priority: word(PRIORITIES).default('medium'),
  queue: name(QUEUE).default('default'),
  retry: retrySchema.optional(),
  timeout: duration(1, MAX_TIMEOUT_MS).optional(),
  overlap: word(OVERLAPS).optional(),
  missed: missedSchema.optional(),
  delivery: word(['at_least_once', 'at_most_once']).default('at_least_once'),
  labels: mapOf(LABEL_KEY, name(LABEL_VALUE), 32).default({}),
  concurrencyKey: concurrencyKeySchema.optional(),
};

const fields = record('a job', shape);
type Fields = z.output<typeof fields>;

/** The payload is checked elsewhere (`payload.ts`): its rules depend on the installation's settings. */
export const jobSchema = fields.superRefine(refuseContradictions).transform(specOf);

/** A job that was accepted before, maybe by an earlier release: what goes with what is not judged again. */
export const storedJobSchema = record('a job', { ...shape, schedule: storedScheduleSchema }).transform(specOf);

/** A job with its id among its fields, as the HTTP API takes it. */
export const identifiedJobSchema = record('a job', { jobId: name(JOB_ID).optional(), ...shape })
  .superRefine(refuseContradictions)
  .transform((written) => ({ jobId: written.jobId, spec: specOf(written) }));

function refuseContradictions(written: Fields, context: z.RefinementCtx): void {
  for (const [path, message] of contradictions(written)) context.addIssue({ code: 'custom', path, message });
}

/** Fields that cannot stand together, each with the path to blame. */
function contradictions({
  type,
  handler,
  schedule,
  delivery,
  retry,
  missed,
  overlap,
  concurrencyKey,
}: Fields): [string[], string][] {
  const found: [string[], string][] = [];
  if (type === 'CUSTOM' && handler === undefined)
    found.push([['handler'], 'is missing; a CUSTOM job needs the name of its handler']);
  if (type !== 'CUSTOM' && handler !== undefined)
    found.push([['handler'], `belongs to CUSTOM jobs; ${type} has its own`]);
  if (type === 'KAFKA_MESSAGE' && concurrencyKey !== undefined)
    found.push([['concurrencyKey'], 'does not go with KAFKA_MESSAGE, whose runs take no time; leave it out']);
  if (delivery === 'at_most_once' && (retry?.maxRetries ?? 0) > 0) {
    found.push([
      ['retry', 'maxRetries'],
      'does not go with delivery at_most_once: what may have run is never tried again',
    ]);
  }
  if (retry?.maxDelay !== undefined && retry.maxDelay < (retry.initialDelay ?? DEFAULT_RETRY.initialDelayMs)) {
    found.push([['retry', 'maxDelay'], 'is shorter than initialDelay']);
  }
  const jitter = overlap === 'allow' ? undefined : jitterProblem(schedule);
  if (jitter !== undefined) found.push([['schedule', 'jitter'], jitter]);
  if (missed !== undefined) found.push(...missedContradictions(missed, schedule));
  return found;
}

function missedContradictions(missed: z.output<typeof missedSchema>, schedule: Schedule): [string[], string][] {
  if (canMiss(schedule)) return [];
  if (!isOneShot(schedule)) {
    const why =
      schedule.kind === 'after' ? 'a chain has no time to miss' : 'what an event made runs however late it is';
    return [[['missed'], `belongs to schedules with times; ${why}`]];
  }
  const found: [string[], string][] = [];
  if (missed.policy === 'all')
    found.push([['missed', 'policy'], 'must be skip or once: a one-shot has one time to miss']);
  for (const field of ['threshold', 'limit'] as const) {
    if (missed[field] === undefined) continue;
    found.push([['missed', field], `belongs to cron, every and fixedDelay; the deadline of a one-shot is its window`]);
  }
  return found;
}

function specOf(written: Fields): JobSpec {
  const { type, schedule, delivery } = written;
  const said = saidIn(written);
  return {
    type,
    handler: written.handler ?? '',
    payload: written.payload ?? {},
    schedule,
    priority: written.priority,
    queue: written.queue,
    ...resolvePolicy(type, delivery, said),
    explicit: settingsOf(said),
    overlap: written.overlap ?? (canMiss(schedule) ? 'skip' : 'allow'),
    missed: missedOf(written.missed),
    delivery,
    labels: written.labels,
    ...(written.concurrencyKey === undefined ? {} : { concurrencyKey: written.concurrencyKey }),
  };
}

function saidIn({ timeout, retry = {} }: Fields): SaidPolicy {
  const { initialDelay, maxDelay, ...rest } = retry;
  return { timeoutMs: timeout, retry: { ...rest, initialDelayMs: initialDelay, maxDelayMs: maxDelay } };
}

function missedOf(written: Fields['missed']): MissedPolicy {
  const { policy, threshold = 60_000, window = null, limit = 100 } = written ?? missedSchema.parse({});
  return { policy, thresholdMs: threshold, windowMs: window, limit };
}

/** Whether the schedule comes again when a time of it is missed: not a one-shot, nor what waits for others. */
export function canMiss({ kind }: JobSpec['schedule']): boolean {
  return kind === 'cron' || kind === 'every' || kind === 'fixedDelay';
}

/**
 * A start that is moved past the next one would meet the run before it, which every policy but `allow` forbids. A fixed
 * delay counts from the end of a run, so that its jitter meets nobody.
 */
function jitterProblem(schedule: JobSpec['schedule']): string | undefined {
  if ((schedule.kind !== 'cron' && schedule.kind !== 'every') || schedule.jitterMs === 0) return undefined;
  const intervalMs = shortestIntervalOf(schedule);
  if (intervalMs === null || schedule.jitterMs < intervalMs) return undefined;
  const shortest = schedule.kind === 'cron' ? 'shortest interval of the cron' : 'interval';
  return `must be shorter than the ${shortest} (${formatDuration(intervalMs)}) unless overlap is allow`;
}
