/** Jobs as users write them, for properties that hold for all of them. */
import fc from 'fast-check';
import { OVERLAPS, PRIORITIES } from '../../services/core/model.ts';
import { MAX_DURATION_MS, formatDuration } from '../../services/core/spec/duration.ts';
import { MAX_INSTANT_MS, formatInstant } from '../../services/core/spec/instant.ts';

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

const fields = {
  priority: fc.constantFrom(...PRIORITIES),
  queue: names,
  retry: some({
    maxRetries: fc.oneof(fc.constant(3), fc.integer({ min: 0, max: 100 })),
    initialDelay: durations(0, 1_000_000),
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    maxDelay: durations(1_000_000),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }).map(Math.abs),
  }),
  // What is said, be it the default, is another thing than what is not.
  timeout: fc.oneof(fc.constant('15m'), durations(1, 7 * 86_400_000)),
  overlap: fc.constantFrom(...OVERLAPS),
  labels: fc.dictionary(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,20}$/), fc.stringMatching(/^[ -~]{0,50}$/), {
    maxKeys: 5,
  }),
};
const deadline = some({ policy: fc.constantFrom('skip', 'once'), window: durations(1) });
const missed = some({
  policy: fc.constantFrom('skip', 'once', 'all'),
  threshold: durations(1_000),
  window: durations(1),
  limit: fc.integer({ min: 1, max: 1_000 }),
});
const custom = { type: fc.constant('CUSTOM'), handler: names };
const required = ['type', 'handler', 'schedule'] as const;
/** Valid jobs, of every kind of schedule. @param payload what they may hold */
export const arbitraryJobs = (payload: fc.Arbitrary<unknown>) => {
  const common = { payload, ...fields };
  return fc.oneof(
    fc.record({ ...custom, schedule: listening, ...common }, { requiredKeys: [...required] }),
    fc.record({ ...custom, schedule: oneShot, missed: deadline, ...common }, { requiredKeys: [...required] }),
    fc
      .record({ ...custom, schedule: recurring, missed, ...common }, { requiredKeys: [...required] })
      // Any jitter goes with runs that may overlap.
      .map((job) => ('jitter' in job.schedule ? { ...job, overlap: 'allow' as const } : job)),
  );
};
