import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RUN_SETTINGS, type JobSpec } from '../../../services/core/model.ts';
import type { JobInput } from '../../../services/core/spec/input.ts';
import { cronJobWith, httpJobWith, jobWith, kafkaJobWith, refusalOf, specOf } from './support.ts';

const UNBOUNDED = { startAt: null, endAt: null, exclude: [], jitterMs: 0, maxRuns: null };

describe('a valid job', () => {
  it('has every default filled in', () => {
    assert.deepEqual(specOf(jobWith()), {
      type: 'CUSTOM',
      handler: 'send-invoice',
      payload: {},
      schedule: { kind: 'at', at: Date.UTC(2026, 11, 1, 9) },
      priority: 'medium',
      queue: 'default',
      retry: { maxRetries: 3, initialDelayMs: 2_000, factor: 2, maxDelayMs: 3_600_000, jitter: 0 },
      timeoutMs: 900_000,
      explicit: [],
      overlap: 'allow',
      missed: { policy: 'once', thresholdMs: 60_000, windowMs: null, limit: 100 },
      delivery: 'at_least_once',
      labels: {},
    } satisfies JobSpec);
  });

  it('keeps all that is given', () => {
    const job = {
      type: 'CUSTOM',
      handler: 'h',
      payload: { a: [null, 1] },
      schedule: {
        cron: '0 9 * * MON-FRI',
        timezone: 'Europe/Paris',
        dst: { gap: 'skip', repeat: 'both' },
        startAt: '2026-01-01T00:00:00Z',
        endAt: '2027-01-01T00:00:00Z',
        exclude: ['2026-12-25', '2026-12-24/2026-12-27'],
        jitter: '10s',
        maxRuns: 5,
      },
      priority: 'high',
      queue: 'slow-ones',
      retry: { maxRetries: 7, initialDelay: '1s', factor: 1.5, maxDelay: '5m', jitter: 0.2 },
      timeout: '1h30m',
      overlap: 'buffer_all',
      missed: { policy: 'all', threshold: '5m', window: '2d', limit: 10 },
      delivery: 'at_least_once',
      labels: { 'team/name': 'billing', empty: '' },
    } satisfies JobInput;
    assert.deepEqual(specOf(job), {
      type: 'CUSTOM',
      handler: 'h',
      payload: { a: [null, 1] },
      schedule: {
        kind: 'cron',
        cron: '0 9 * * MON-FRI',
        timezone: 'Europe/Paris',
        dst: { gap: 'skip', repeat: 'both' },
        startAt: Date.UTC(2026, 0, 1),
        endAt: Date.UTC(2027, 0, 1),
        exclude: ['2026-12-25', '2026-12-24/2026-12-27'],
        jitterMs: 10_000,
        maxRuns: 5,
      },
      priority: 'high',
      queue: 'slow-ones',
      retry: { maxRetries: 7, initialDelayMs: 1_000, factor: 1.5, maxDelayMs: 300_000, jitter: 0.2 },
      timeoutMs: 5_400_000,
      explicit: [...RUN_SETTINGS],
      overlap: 'buffer_all',
      missed: { policy: 'all', thresholdMs: 300_000, windowMs: 172_800_000, limit: 10 },
      delivery: 'at_least_once',
      labels: { 'team/name': 'billing', empty: '' },
    } satisfies JobSpec);
  });

  const dst = { gap: 'shift', repeat: 'once' };
  for (const [schedule, expected] of [
    [{ in: '5m' }, { kind: 'in', delayMs: 300_000 }],
    [{ in: '0s' }, { kind: 'in', delayMs: 0 }],
    [{ every: '1s' }, { kind: 'every', everyMs: 1_000, timezone: 'UTC', ...UNBOUNDED }],
    [{ fixedDelay: '5m' }, { kind: 'fixedDelay', delayMs: 300_000, timezone: 'UTC', ...UNBOUNDED }],
    [{ cron: '@daily' }, { kind: 'cron', cron: '@daily', timezone: 'UTC', dst, ...UNBOUNDED }],
    [
      { cron: '30 0 9 * * *', dst: { gap: 'skip' } },
      { kind: 'cron', cron: '30 0 9 * * *', timezone: 'UTC', dst: { ...dst, gap: 'skip' }, ...UNBOUNDED },
    ],
    [
      { every: '5m', timezone: 'Asia/Kolkata', exclude: ['2026-12-25'] },
      { kind: 'every', everyMs: 300_000, timezone: 'Asia/Kolkata', ...UNBOUNDED, exclude: ['2026-12-25'] },
    ],
  ] as const) {
    it(`may be scheduled by ${JSON.stringify(schedule)}`, () => {
      assert.deepEqual(specOf(jobWith({ schedule })).schedule, expected);
    });
  }

  for (const [schedule, overlap] of [
    [{ at: '2026-12-01T09:00:00Z' }, 'allow'],
    [{ in: '5m' }, 'allow'],
    [{ cron: '0 9 * * *' }, 'skip'],
    [{ every: '5m' }, 'skip'],
    [{ fixedDelay: '5m' }, 'skip'],
  ] as const) {
    it(`overlaps by ${overlap} with ${JSON.stringify(schedule)} unless told otherwise`, () => {
      assert.equal(specOf(jobWith({ schedule })).overlap, overlap);
    });
  }

  it('times out after 30 s when it is an HTTP request, else after 15 min', () => {
    assert.equal(specOf(httpJobWith({})).timeoutMs, 30_000);
    assert.equal(specOf(kafkaJobWith({})).timeoutMs, 900_000);
  });

  it('has no handler when it is no CUSTOM job', () => assert.equal(specOf(httpJobWith({})).handler, ''));

  it('is not retried under at_most_once', () => {
    assert.equal(specOf(jobWith({ delivery: 'at_most_once' })).retry.maxRetries, 0);
    assert.equal(specOf(jobWith({ delivery: 'at_most_once', retry: { maxRetries: 0 } })).retry.maxRetries, 0);
    assert.equal(specOf(jobWith({ delivery: 'at_most_once', retry: { factor: 3 } })).retry.maxRetries, 0);
  });

  it('waits at most its initialDelay when that is longer than the default maxDelay', () => {
    assert.equal(specOf(jobWith({ retry: { initialDelay: '2h' } })).retry.maxDelayMs, 7_200_000);
  });

  it('may say null for what it leaves out, but for the inside of its payload', () => {
    const job = cronJobWith({
      schedule: { cron: '0 9 * * *', every: null, timezone: null, dst: { gap: null } },
      payload: { a: null },
      retry: null,
      missed: { window: null },
      labels: { gone: null },
      priority: null,
    });
    assert.deepEqual(specOf(job), specOf(cronJobWith({ payload: { a: null } })));
    assert.deepEqual(specOf(jobWith({ payload: null })).payload, {});
  });
});

const BAD: [what: string, job: unknown, field: string | undefined, message: RegExp][] = [
  ['no object', 'job', undefined, /^a job must be an object, not "job"$/],
  ['an unknown field', jobWith({ croon: 1 }), 'croon', /^croon is not a field of a job$/],
  ['a misspelt field', jobWith({ lables: {} }), 'lables', /did you mean labels\?/],
  [
    'a misspelt field deep down',
    jobWith({ retry: { maxretries: 1 } }),
    'retry.maxretries',
    /did you mean maxRetries\?/,
  ],
  ['__proto__', JSON.parse('{"__proto__":{"type":"CUSTOM"}}'), '__proto__', /not a field/],
  ['a __proto__ label', jobWith({ labels: JSON.parse('{"__proto__":"x"}') }), 'labels', /__proto__/],
  [
    'no type',
    jobWith({ type: undefined }),
    'type',
    /^type is missing; it must be HTTP_REQUEST, KAFKA_MESSAGE or CUSTOM$/,
  ],
  ['an unknown type', jobWith({ type: 'CRON' }), 'type', /must be HTTP_REQUEST.*, not "CRON"/],
  ['a reserved type', jobWith({ type: 'DATABASE_QUERY' }), 'type', /DATABASE_QUERY is reserved, not available yet/],
  ['a reserved type', jobWith({ type: 'ETL_TASK' }), 'type', /reserved, not available yet/],
  ['a reserved type', jobWith({ type: 'NOTIFICATION' }), 'type', /reserved, not available yet/],
  ['a reserved type', jobWith({ type: 'DATA_SYNC' }), 'type', /reserved, not available yet/],
  ['a CUSTOM job without handler', jobWith({ handler: undefined }), 'handler', /handler is missing/],
  ['an empty handler', jobWith({ handler: '' }), 'handler', /1 to 200 characters/],
  ['a handler beside HTTP_REQUEST', { ...httpJobWith({}), handler: 'h' }, 'handler', /belongs to CUSTOM/],
  ['a priority in capitals', jobWith({ priority: 'HIGH' }), 'priority', /must be high, medium or low, not "HIGH"/],
  ['a queue in capitals', jobWith({ queue: 'Slow' }), 'queue', /lower-case/],
  ['a queue named like a priority', jobWith({ queue: 'high' }), 'queue', /none of high, medium, low/],
  ['a queue of 65 characters', jobWith({ queue: 'q'.repeat(65) }), 'queue', /1 to 64/],
  ['101 retries', jobWith({ retry: { maxRetries: 101 } }), 'retry.maxRetries', /whole number from 0 to 100, not 101/],
  ['half a retry', jobWith({ retry: { maxRetries: 1.5 } }), 'retry.maxRetries', /whole number/],
  ['a factor below 1', jobWith({ retry: { factor: 0.5 } }), 'retry.factor', /from 1 to 10, not 0.5/],
  ['a factor above 10', jobWith({ retry: { factor: 11 } }), 'retry.factor', /from 1 to 10/],
  ['a factor as text', jobWith({ retry: { factor: '2' } }), 'retry.factor', /not "2"/],
  ['a delay as number', jobWith({ retry: { initialDelay: 2 } }), 'retry.initialDelay', /must be a duration.*not 2$/],
  [
    'a maxDelay below initialDelay',
    jobWith({ retry: { initialDelay: '5s', maxDelay: '1s' } }),
    'retry.maxDelay',
    /shorter/,
  ],
  ['retry jitter above 1', jobWith({ retry: { jitter: 2 } }), 'retry.jitter', /from 0 to 1/],
  ['no timeout at all', jobWith({ timeout: '0s' }), 'timeout', /at least 1ms/],
  ['a timeout of 8 days', jobWith({ timeout: '8d' }), 'timeout', /at most 7d/],
  ['an unknown overlap', jobWith({ overlap: 'queue' }), 'overlap', /must be allow, skip, buffer_one/],
  [
    'retries under at_most_once',
    jobWith({ delivery: 'at_most_once', retry: { maxRetries: 1 } }),
    'retry.maxRetries',
    /at_most_once/,
  ],
  ['an unknown delivery', jobWith({ delivery: 'exactly_once' }), 'delivery', /at_least_once or at_most_once/],
  ['missed all on a one-shot', jobWith({ missed: { policy: 'all' } }), 'missed.policy', /skip or once/],
  ['a threshold of a one-shot', jobWith({ missed: { threshold: '5m' } }), 'missed.threshold', /is its window/],
  ['a limit of a one-shot', jobWith({ missed: { limit: 1 } }), 'missed.limit', /cron, every and fixedDelay/],
  ['missed on a chain', jobWith({ schedule: { after: [{ job: 'a' }] }, missed: {} }), 'missed', /no time to miss/],
  ['missed on events', jobWith({ schedule: { on: 'e' }, missed: {} }), 'missed', /however late/],
  ['an unknown missed policy', cronJobWith({ missed: { policy: 'none' } }), 'missed.policy', /skip, once or all/],
  ['a threshold below 1 s', cronJobWith({ missed: { threshold: '10ms' } }), 'missed.threshold', /at least 1s/],
  ['a limit of 0', cronJobWith({ missed: { limit: 0 } }), 'missed.limit', /from 1 to 1000/],
  ['a bad label key', jobWith({ labels: { '-a': 'x' } }), 'labels.-a', /name that is not allowed/],
  ['a long label key', jobWith({ labels: { ['k'.repeat(64)]: 'x' } }), `labels.${'k'.repeat(64)}`, /1 to 63/],
  ['a long label', jobWith({ labels: { a: 'x'.repeat(201) } }), 'labels.a', /0 to 200 characters/],
  ['a label with a NUL', jobWith({ labels: { a: 'x\0' } }), 'labels.a', /control characters/],
  ['a label that is no text', jobWith({ labels: { a: 1 } }), 'labels.a', /must be text.*not 1/],
  [
    '33 labels',
    jobWith({ labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, ''])) }),
    'labels',
    /at most 32/,
  ],
  ['labels as a list', jobWith({ labels: ['a'] }), 'labels', /must be an object, not a list/],
];

describe('an invalid job', () => {
  for (const [what, job, field, message] of BAD) {
    it(`is refused for ${what}${field === undefined ? '' : `, at ${field.slice(0, 30)}`}`, () => {
      const rejection = refusalOf(job);
      assert.equal(rejection.code, 'invalid');
      assert.equal(rejection.field, field);
      assert.match(rejection.message, message);
    });
  }
});
