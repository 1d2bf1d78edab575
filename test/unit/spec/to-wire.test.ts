import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { z } from 'zod';
import type { Schedule } from '../../../services/core/model.ts';
import type { CommandInput, JobInput, ScheduleInput } from '../../../services/core/spec/input.ts';
import type { jobSchema } from '../../../services/core/spec/job-schema.ts';
import type { commandSchemas } from '../../../services/core/spec/parse-command.ts';
import type { scheduleSchema } from '../../../services/core/spec/schedule-schema.ts';
import { sameSchedule, toWireJob } from '../../../services/core/spec/to-wire.ts';
import { arbitraryJobs } from '../../support/arbitrary-jobs.ts';
import { cronJobWith, httpJobWith, jobWith, specOf } from './support.ts';

// JSON has no -0: it is written as 0.
const jobs = arbitraryJobs(fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown));

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

  it('keeps a default that was written apart from one that was not', () => {
    const said = toWireJob(specOf(jobWith({ timeout: '15m', retry: { maxRetries: 3 } })));
    assert.deepEqual([said.timeout, said.retry], ['15m', { maxRetries: 3 }]);
    const unsaid = toWireJob(specOf(jobWith()));
    assert.deepEqual([unsaid.timeout, unsaid.retry], [undefined, undefined]);
  });

  it('of a job that was stored before such a difference was kept says what is no default', () => {
    const { explicit: _, ...before } = specOf(jobWith({ retry: { maxRetries: 5 } }));
    const { timeout, retry } = toWireJob(before);
    assert.deepEqual([timeout, retry?.maxRetries, retry?.initialDelay], [undefined, 5, '2s']);
  });

  it('is what a user would write, defaults spelled out but for those that a handler may set', () => {
    assert.deepEqual(
      toWireJob(specOf(cronJobWith({ schedule: { every: '90s', startAt: '2026-12-01T10:00:00+01:00' } }))),
      {
        type: 'CUSTOM',
        handler: 'send-invoice',
        payload: {},
        schedule: { every: '1m30s', startAt: '2026-12-01T09:00:00.000Z' },
        priority: 'medium',
        queue: 'default',
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
