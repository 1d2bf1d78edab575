/** No occurrence lies before 1970 or beyond 9999, whatever is scheduled and whenever it is asked. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Bounds, Schedule } from '../../../services/core/model.ts';
import { decideDue, skipPassed } from '../../../services/core/occurrences/due.ts';
import { excludedSpanAt } from '../../../services/core/occurrences/exclude.ts';
import { previewOccurrences } from '../../../services/core/occurrences/preview.ts';
import {
  afterEnd,
  anchorOf,
  firstOccurrence,
  isOneShot,
  jitterOf,
  neverFires,
  nextIncluded,
  nextOccurrence,
  prevIncluded,
  prevOccurrence,
} from '../../../services/core/occurrences/schedule.ts';
import { formatInstant, MAX_INSTANT_MS, parseInstant } from '../../../services/core/spec/instant.ts';
import { cron, DAY, every, HOUR, missed, ms } from './schedules.ts';

const LONGEST_MS = 36_525 * DAY;

const edge = fc.oneof(
  fc.integer({ min: 0, max: 3 * DAY }),
  fc.integer({ min: MAX_INSTANT_MS - 3 * DAY, max: MAX_INSTANT_MS }),
  fc.integer({ min: 0, max: MAX_INSTANT_MS }),
);
const duration = fc.oneof(fc.constantFrom(HOUR, DAY, LONGEST_MS), fc.integer({ min: 1_000, max: LONGEST_MS }));
const bounds: fc.Arbitrary<Bounds> = fc.record({
  startAt: fc.option(edge),
  endAt: fc.option(edge),
  exclude: fc.constantFrom([], ['1970-01-01'], ['2026-12-02/9999-12-31'], ['9999-12-31']),
  jitterMs: fc.oneof(fc.constant(0), duration),
  maxRuns: fc.constant(null),
});
const timezone = fc.constantFrom('UTC', 'Pacific/Kiritimati', 'Pacific/Niue', 'Europe/Paris');
const crons = fc.constantFrom('0 0 1 1 *', '0 0 * * *', '59 23 31 12 *', '*/20 * * * *', '0 0 29 2 *');
const schedules: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({ kind: fc.constant('at' as const), at: edge }),
  fc.record({ kind: fc.constant('in' as const), delayMs: duration }),
  fc.tuple(crons, timezone, bounds).map(([text, zone, rest]) => ({ ...cron(text, zone), ...rest })),
  fc.tuple(duration, timezone, bounds).map(([everyMs, zone, rest]) => ({ ...every(everyMs, {}, zone), ...rest })),
  fc
    .tuple(duration, bounds)
    .map(([delayMs, rest]) => ({ kind: 'fixedDelay', delayMs, timezone: 'UTC', ...rest }) as const),
);

function assertInstant(at: number | null, what: string): void {
  if (at === null) return;
  assert.ok(at >= 0 && at <= MAX_INSTANT_MS, `${what}: ${at}`);
  assert.equal(parseInstant(formatInstant(at)), at, what);
}

describe('instants that come out of the calendar', () => {
  it('lie between 1970 and 9999', () => {
    fc.assert(
      fc.property(schedules, edge, edge, (schedule, now, at) => {
        const anchorAt = anchorOf(schedule, now);
        assertInstant(firstOccurrence(schedule, anchorAt, now), 'first');
        assertInstant(afterEnd(schedule, now), 'after an end');
        for (const find of [nextOccurrence, prevOccurrence, nextIncluded, prevIncluded]) {
          for (const from of [at, -Infinity, Infinity]) {
            if ((find === nextOccurrence || find === nextIncluded) && from === Infinity) continue;
            const found = find(schedule, anchorAt, from);
            assertInstant(found, find.name);
            if (found !== null && !isOneShot(schedule))
              assertInstant(found + jitterOf(schedule.jitterMs, 'a/b', found), `jittered ${find.name}`);
          }
        }
        for (const found of previewOccurrences(schedule, { from: at, count: 3, anchorAt }))
          assertInstant(found.at, 'preview');
        neverFires(schedule, anchorAt, now);
        excludedSpanAt(schedule, at);
      }),
      { numRuns: 1_000 },
    );
  });

  it('lie there, too, when timers of theirs strike late or come back from a pause', () => {
    fc.assert(
      fc.property(schedules, edge, duration, (schedule, appliedAt, late) => {
        const anchorAt = anchorOf(schedule, appliedAt);
        const nextAt = firstOccurrence(schedule, anchorAt, appliedAt);
        if (nextAt === null) return;
        const jitterMs = isOneShot(schedule) ? 0 : schedule.jitterMs;
        const jitter = (scheduledFor: number): number => jitterOf(jitterMs, 'a/b', scheduledFor);
        const now = Math.min(nextAt + late, MAX_INSTANT_MS);
        const input = { schedule, anchorAt, nextAt, now, jitter };
        const decided = decideDue({ ...input, missed: missed(), runsLeft: null });
        assertInstant(decided.nextAt, 'next after firing');
        assertInstant(skipPassed({ ...input, reason: 'paused' }).nextAt, 'next after a pause');
        for (const decision of decided.decisions) {
          if (decision.kind === 'skipGroup')
            [decision.from, decision.to].forEach((each) => assertInstant(each, 'group'));
          else assertInstant(decision.scheduledFor, decision.kind);
        }
      }),
      { numRuns: 500 },
    );
  });

  const END = ms('9999-12-31T00:00Z');
  const NOW = ms('2026-12-01T00:00Z');
  const never: [string, Schedule][] = [
    ['a cron that starts after its last day', cron('0 0 1 1 *', 'UTC', { startAt: END })],
    ['a cron whose days are excluded up to the end', cron('0 0 * * *', 'UTC', { exclude: ['2026-12-01/9999-12-31'] })],
    [
      'an interval that begins at the end and leaves it out',
      every(HOUR, { startAt: MAX_INSTANT_MS, exclude: ['9999-12-31'] }),
    ],
  ];
  for (const [title, schedule] of never) {
    it(`${title} never fires`, () => assert.ok(neverFires(schedule, anchorOf(schedule, NOW), NOW)));
  }
});

describe('a stored time that nobody can write', () => {
  it('is written as the nearest one, and hides no other', () => {
    assert.equal(formatInstant(MAX_INSTANT_MS + 1), '9999-12-31T23:59:59.999Z');
    assert.equal(formatInstant(Infinity), '9999-12-31T23:59:59.999Z');
    assert.equal(formatInstant(-1), '1970-01-01T00:00:00.000Z');
    assert.equal(formatInstant(Number.NaN), '1970-01-01T00:00:00.000Z');
  });
});
