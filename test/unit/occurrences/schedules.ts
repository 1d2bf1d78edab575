/** Short ways to write schedules and times in these tests. */
import assert from 'node:assert/strict';
import { cronNext, cronPrev, type CronSchedule } from '../../../services/core/occurrences/cron.ts';
import type { Bounds, MissedPolicy, Schedule } from '../../../services/core/model.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

type Cron = Extract<Schedule, { kind: 'cron' }>;

const UNBOUNDED: Bounds = { startAt: null, endAt: null, exclude: [], jitterMs: 0, maxRuns: null };

export const ms = (text: string): number => Date.parse(text);
export const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

export function cron(text: string, timezone = 'UTC', rest: Partial<Bounds & Cron['dst']> = {}): Cron {
  const { gap = 'shift', repeat = 'once', ...bounds } = rest;
  return { kind: 'cron', cron: text, timezone, dst: { gap, repeat }, ...UNBOUNDED, ...bounds };
}

export function every(everyMs: number, bounds: Partial<Bounds> = {}, timezone = 'UTC'): Schedule {
  return { kind: 'every', everyMs, timezone, ...UNBOUNDED, ...bounds };
}

export function fixedDelay(delayMs: number, bounds: Partial<Bounds> = {}): Schedule {
  return { kind: 'fixedDelay', delayMs, timezone: 'UTC', ...UNBOUNDED, ...bounds };
}

export function missed(rest: Partial<MissedPolicy> = {}): MissedPolicy {
  return { policy: 'once', thresholdMs: MINUTE, windowMs: null, limit: 100, ...rest };
}

/** All occurrences in [from, to), found forwards; found backwards they must be the same. */
export function occurrencesIn(schedule: CronSchedule, from: number, to: number): string[] {
  const forwards: string[] = [];
  for (let at = cronNext(schedule, from - 1); at !== null && at < to; at = cronNext(schedule, at))
    forwards.push(iso(at)!);
  const backwards: string[] = [];
  for (let at = cronPrev(schedule, to); at !== null && at >= from; at = cronPrev(schedule, at))
    backwards.push(iso(at)!);
  assert.deepEqual(backwards.reverse(), forwards);
  return forwards.map((text) => text.replace(':00.000Z', 'Z'));
}
