/** From validated jobs back to what users write: `parseJobSpec(toWireJob(spec))` equals `spec`. */
import { isDeepStrictEqual } from 'node:util';
import type { Bounds, JobSpec, MissedPolicy, Schedule } from '../model.ts';
import { saidBy } from '../run-policy.ts';
import { deadlineMsOf } from '../occurrences/due.ts';
import { isOneShot } from '../occurrences/schedule.ts';
import { formatDuration } from './duration.ts';
import type { BoundsInput, JobInput, MissedInput, RetryInput, ScheduleInput } from './input.ts';
import { formatInstant } from './instant.ts';
import { canMiss } from './job-schema.ts';

/**
 * The job as its user would write it, with the defaults spelled out (but for those that its handler may set): durations as
 * text, times in ISO 8601 UTC.
 */
export function toWireJob(spec: JobSpec): JobInput {
  const wire = {
    type: spec.type,
    ...(spec.handler === '' ? {} : { handler: spec.handler }),
    payload: spec.payload,
    schedule: toWireSchedule(spec.schedule),
    priority: spec.priority,
    queue: spec.queue,
    ...toWirePolicy(spec),
    overlap: spec.overlap,
    ...missedOf(spec),
    delivery: spec.delivery,
    labels: { ...spec.labels },
    ...(spec.concurrencyKey === undefined ? {} : { concurrencyKey: { ...spec.concurrencyKey } }),
  };
  // Type, handler and payload agree because validation made the spec.
  return wire as JobInput;
}

/** The schedule as its user would write it. */
export function toWireSchedule(schedule: Schedule): ScheduleInput {
  switch (schedule.kind) {
    case 'at':
      return { at: formatInstant(schedule.at) };
    case 'in':
      return { in: formatDuration(schedule.delayMs) };
    case 'cron':
      return { cron: schedule.cron, timezone: schedule.timezone, dst: { ...schedule.dst }, ...toWireBounds(schedule) };
    case 'every':
      return { every: formatDuration(schedule.everyMs), ...zoneOfDays(schedule), ...toWireBounds(schedule) };
    case 'fixedDelay':
      return { fixedDelay: formatDuration(schedule.delayMs), ...zoneOfDays(schedule), ...toWireBounds(schedule) };
    case 'after':
      return { after: schedule.after.map(({ jobId, when }) => ({ job: jobId, when })), ...toWireBounds(schedule) };
    case 'on': {
      const { event, filter, waitMs } = schedule;
      const wait = waitMs === 0 ? {} : { wait: formatDuration(waitMs) };
      return { on: event, ...(filter === null ? {} : { filter }), ...wait, ...toWireBounds(schedule) };
    }
  }
}

/** Whether two schedules mean the same. */
export function sameSchedule(a: Schedule, b: Schedule): boolean {
  return isDeepStrictEqual(a, b);
}

/**
 * Whether two schedules have the same rhythm: kind, expression, time zone and startAt. What bounds and thins them (endAt,
 * exclude, jitter, maxRuns, dst) may differ: the job keeps its phase, next occurrence and run count.
 */
export function sameRhythm(a: Schedule, b: Schedule): boolean {
  return sameSchedule(rhythmOf(a), rhythmOf(b));
}

function rhythmOf(schedule: Schedule): Schedule {
  if (schedule.kind === 'at' || schedule.kind === 'in') return schedule;
  const bare = { ...schedule, endAt: null, exclude: [], jitterMs: 0, maxRuns: null };
  return bare.kind === 'cron' ? { ...bare, dst: { gap: 'shift', repeat: 'once' } } : bare;
}

/** A time zone stands beside `every` and `fixedDelay` only with days to exclude. */
function zoneOfDays({ exclude, timezone }: Bounds & { timezone: string }): { timezone?: string } {
  return exclude.length === 0 ? {} : { timezone };
}

function toWireBounds({ startAt, endAt, exclude, jitterMs, maxRuns }: Bounds): BoundsInput {
  return {
    ...(startAt === null ? {} : { startAt: formatInstant(startAt) }),
    ...(endAt === null ? {} : { endAt: formatInstant(endAt) }),
    ...(exclude.length === 0 ? {} : { exclude: [...exclude] }),
    ...(jitterMs === 0 ? {} : { jitter: formatDuration(jitterMs) }),
    ...(maxRuns === null ? {} : { maxRuns }),
  };
}

/** Only what the job itself says: a default spelled out would come before what its handler says. */
function toWirePolicy(spec: JobSpec): { retry?: RetryInput; timeout?: string } {
  const { timeoutMs, retry = {} } = saidBy(spec);
  const { maxRetries, initialDelayMs, factor, maxDelayMs, jitter } = retry;
  const wire: RetryInput = {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(initialDelayMs === undefined ? {} : { initialDelay: formatDuration(initialDelayMs) }),
    ...(factor === undefined ? {} : { factor }),
    ...(maxDelayMs === undefined ? {} : { maxDelay: formatDuration(maxDelayMs) }),
    ...(jitter === undefined ? {} : { jitter }),
  };
  return {
    ...(Object.keys(wire).length === 0 ? {} : { retry: wire }),
    ...(timeoutMs === undefined ? {} : { timeout: formatDuration(timeoutMs) }),
  };
}

/** Of a one-shot its deadline, if it has one. */
function missedOf({ schedule, missed }: JobSpec): { missed?: MissedInput } {
  if (canMiss(schedule)) return { missed: toWireMissed(missed) };
  if (!isOneShot(schedule) || deadlineMsOf(missed) === null) return {};
  const { policy, windowMs } = missed;
  return { missed: { policy, ...(windowMs === null ? {} : { window: formatDuration(windowMs) }) } };
}

function toWireMissed({ policy, thresholdMs, windowMs, limit }: MissedPolicy): MissedInput {
  return {
    policy,
    threshold: formatDuration(thresholdMs),
    ...(windowMs === null ? {} : { window: formatDuration(windowMs) }),
    limit,
  };
}
