import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { z } from 'zod';
import { OVERLAPS, PRIORITIES, type Schedule } from '../../../services/core/model.ts';
import { MAX_DURATION_MS, formatDuration } from '../../../services/core/spec/duration.ts';
import type { CommandInput, JobInput, ScheduleInput } from '../../../services/core/spec/input.ts';
import { MAX_INSTANT_MS, formatInstant } from '../../../services/core/spec/instant.ts';
import type { jobSchema } from '../../../services/core/spec/job-schema.ts';
import type { commandSchemas } from '../../../services/core/spec/parse-command.ts';
import type { scheduleSchema } from '../../../services/core/spec/schedule-schema.ts';
import { sameSchedule, toWireJob } from '../../../services/core/spec/to-wire.ts';
import { cronJobWith, httpJobWith, jobWith, specOf } from './support.ts';

const durations = (minMs: number, maxMs = MAX_DURATION_MS) =>
  fc.integer({ min: minMs, max: maxMs }).map(formatDuration);
const instants = fc.integer({ min: 0, max: MAX_INSTANT_MS }).map(formatInstant);
const days = fc.integer({ min: 0, max: MAX_INSTANT_MS }).map((ms) => formatInstant(ms).slice(0, 10));
const names = fc
  .stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/)
  .filter((text) => !PRIORITIES.some((word) => word === text));

const MIDDLE_MS = Math.floor(MAX_INSTANT_MS / 2);

/** Any subset of the optional fields. */
const some = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [] });

const bounds = some({
  startAt: fc.integer({ min: 0, max: MIDDLE_MS }).map(formatInstant),
  endAt: fc.integer({ min: MIDDLE_MS + 1, max: MAX_INSTANT_MS }).map(formatInstant),
  exclude: fc.array(
    fc.oneof(
      days,
      days.map((day) => `${day}/${day}`),
    ),
    { maxLength: 3 },
  ),
  jitter: durations(0),
  maxRuns: fc.integer({ min: 1 }),
});
const zones = fc.constantFrom('UTC', 'Europe/Paris', 'Asia/Kolkata');
const interval = (key: 'every' | 'fixedDelay') =>
  fc.tuple(durations(1_000), bounds, zones).map(([text, rest, timezone]) => ({
    [key]: text,
    ...rest,
    ...(rest.exclude?.length ? { timezone } : {}),
  }));
const dst = some({ gap: fc.constantFrom('shift', 'skip'), repeat: fc.constantFrom('once', 'both') });
const recurring = fc.oneof(
  interval('every'),
  interval('fixedDelay'),
  fc
    .tuple(fc.constantFrom('0 9 * * MON-FRI', '@daily', '*/10 0 9 * * *'), zones, dst, bounds)
    .map(([cron, timezone, policy, rest]) => ({ cron, timezone, dst: policy, ...rest })),
);
const listening = fc
  .tuple(some({ filter: fc.constantFrom('event.a == 1', 'true'), wait: durations(0) }), bounds)
  .map(([own, { startAt, endAt, maxRuns }]) => ({ on: 'user.signup', ...own, startAt, endAt, maxRuns }));
const oneShot = fc.oneof(
  instants.map((at) => ({ at })),
  durations(0).map((text) => ({ in: text })),
);

const common = {
  // JSON has no -0: it is written as 0.
  payload: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  priority: fc.constantFrom(...PRIORITIES),
  queue: names,
  retry: some({
    maxRetries: fc.integer({ min: 0, max: 100 }),
    initialDelay: durations(0, 1_000_000),
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    maxDelay: durations(1_000_000),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }).map(Math.abs),
  }),
  timeout: durations(1, 7 * 86_400_000),
  overlap: fc.constantFrom(...OVERLAPS),
  labels: fc.dictionary(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,20}$/), fc.stringMatching(/^[ -~]{0,50}$/), {
    maxKeys: 5,
  }),
};
const missed = some({
  policy: fc.constantFrom('skip', 'once', 'all'),
  threshold: durations(1_000),
  window: durations(1),
  limit: fc.integer({ min: 1, max: 1_000 }),
});
const custom = { type: fc.constant('CUSTOM'), handler: names };
const required = ['type', 'handler', 'schedule'] as const;
const jobs = fc.oneof(
  fc.record({ ...custom, schedule: fc.oneof(oneShot, listening), ...common }, { requiredKeys: [...required] }),
  fc
    .record({ ...custom, schedule: recurring, missed, ...common }, { requiredKeys: [...required] })
    // Any jitter goes with runs that may overlap.
    .map((job) => ('jitter' in job.schedule ? { ...job, overlap: 'allow' as const } : job)),
);

describe('the wire form of a job', () => {
  it('is read as the same job again', () => {
    fc.assert(
      fc.property(jobs, (job) => {
        const spec = specOf(job);
        assert.deepEqual(specOf(JSON.parse(JSON.stringify(toWireJob(spec)))), spec);
      }),
      { numRuns: 500 },
    );
  });

  for (const job of [httpJobWith({}), jobWith({ delivery: 'at_most_once' }), jobWith({ schedule: { in: '5m' } })]) {
    it(`is read as the same job again: ${JSON.stringify(job).slice(0, 60)}`, () => {
      assert.deepEqual(specOf(toWireJob(specOf(job))), specOf(job));
    });
  }

  it('is what a user would write, defaults spelled out', () => {
    assert.deepEqual(
      toWireJob(specOf(cronJobWith({ schedule: { every: '90s', startAt: '2026-12-01T10:00:00+01:00' } }))),
      {
        type: 'CUSTOM',
        handler: 'send-invoice',
        payload: {},
        schedule: { every: '1m30s', startAt: '2026-12-01T09:00:00.000Z' },
        priority: 'medium',
        queue: 'default',
        retry: { maxRetries: 3, initialDelay: '2s', factor: 2, maxDelay: '1h', jitter: 0 },
        timeout: '15m',
        overlap: 'skip',
        missed: { policy: 'once', threshold: '1m', limit: 100 },
        delivery: 'at_least_once',
        labels: {},
      },
    );
  });
});

describe('two schedules', () => {
  const schedule = (written: ScheduleInput) => specOf(jobWith({ schedule: written })).schedule;

  it('are the same when they mean the same, however they are written', () => {
    assert.ok(sameSchedule(schedule({ every: '90s' }), schedule({ jitter: '0s', every: '1m30s' })));
    assert.ok(
      sameSchedule(schedule({ at: '2026-12-01T09:00:00Z' }), schedule({ at: '2026-12-01T10:00:00.000+01:00' })),
    );
    assert.ok(sameSchedule(schedule({ cron: '@daily' }), schedule({ cron: '@daily', timezone: 'UTC', dst: {} })));
    const kept = schedule({ cron: '@daily', exclude: ['2026-12-25'] });
    assert.ok(sameSchedule(kept, JSON.parse(JSON.stringify(kept)) as Schedule));
  });

  it('differ in any part', () => {
    const base = { cron: '@daily' };
    for (const other of [
      { cron: '@hourly' },
      { ...base, timezone: 'Asia/Kolkata' },
      { ...base, maxRuns: 1 },
      { ...base, exclude: ['2026-12-25'] },
      { every: '1d' },
      { fixedDelay: '1d' },
    ]) {
      assert.ok(!sameSchedule(schedule(base), schedule(other)), JSON.stringify(other));
    }
  });
});

describe('the types that users write', () => {
  type KeysOf<T> = T extends unknown ? keyof T : never;
  type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
  type CommandSchemas = typeof commandSchemas;

  it('are what the schemas take: this file compiles', () => {
    const fits: [
      JobInput extends z.input<typeof jobSchema> ? true : false,
      CommandInput extends z.input<CommandSchemas[keyof CommandSchemas]> ? true : false,
      Same<KeysOf<JobInput>, KeysOf<z.input<typeof jobSchema>>>,
      Same<KeysOf<ScheduleInput>, KeysOf<z.input<typeof scheduleSchema>>>,
      Same<KeysOf<CommandInput>, KeysOf<z.input<CommandSchemas[keyof CommandSchemas]>>>,
    ] = [true, true, true, true, true];
    assert.ok(fits.every(Boolean));
  });
});
