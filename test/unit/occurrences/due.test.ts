import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Schedule } from '../../../services/core/model.ts';
import { decideDue, skipPassed, type Decided, type DueInput } from '../../../services/core/occurrences/due.ts';
import { isExcluded, jitterOf, nextOccurrence } from '../../../services/core/occurrences/schedule.ts';
import { timed } from '../../support/processor-time.ts';
import { cron, DAY, every, fixedDelay, HOUR, MINUTE, missed, ms } from './schedules.ts';

/** Decides with `every` minute from 0, so that occurrence n is at n minutes, unless told otherwise. */
function decide(rest: Partial<DueInput>): Decided {
  const schedule = rest.schedule ?? every(MINUTE, { startAt: 0 });
  return decideDue({
    schedule,
    anchorAt: 0,
    nextAt: 0,
    now: 0,
    missed: missed(),
    jitter: () => 0,
    runsLeft: null,
    ...rest,
  });
}

/** `run 3, skip 4 missed, group 0-2 ×3 missed`, times in minutes. */
function brief({ decisions, nextAt }: Decided): string {
  const shown = decisions.map((decision) => {
    if (decision.kind === 'run') return `run ${decision.scheduledFor / MINUTE}`;
    if (decision.kind === 'skip') return `skip ${decision.scheduledFor / MINUTE} ${decision.reason}`;
    return `group ${decision.from / MINUTE}-${decision.to / MINUTE} ×${decision.count} ${decision.reason}`;
  });
  return [...shown, `next ${nextAt === null ? null : nextAt / MINUTE}`].join(', ');
}

describe('deciding due occurrences', () => {
  const cases: [string, Partial<DueInput>, string][] = [
    ['runs the one that is due', { now: 5 }, 'run 0, next 1'],
    ['does nothing too early', { nextAt: 3 * MINUTE, now: 2 * MINUTE }, 'next 3'],
    ['runs late ones within the threshold, in order', { now: MINUTE }, 'run 0, run 1, next 2'],
    [
      'runs one that is late by exactly the threshold',
      { now: 3 * MINUTE, missed: missed({ thresholdMs: 3 * MINUTE, policy: 'skip' }) },
      'run 0, run 1, run 2, run 3, next 4',
    ],
    [
      'once: runs the latest missed one',
      { now: 4 * MINUTE + 1 },
      'skip 0 missed, skip 1 missed, skip 2 missed, run 3, run 4, next 5',
    ],
    [
      'skip: runs none of the missed',
      { now: 3 * MINUTE, missed: missed({ policy: 'skip' }) },
      'skip 0 missed, skip 1 missed, run 2, run 3, next 4',
    ],
    [
      'all: runs the latest up to the limit',
      { now: 5 * MINUTE, missed: missed({ policy: 'all', limit: 2 }) },
      'skip 0 missed, skip 1 missed, run 2, run 3, run 4, run 5, next 6',
    ],
    [
      'all: leaves out what is older than the window',
      { now: 5 * MINUTE, missed: missed({ policy: 'all', windowMs: 3 * MINUTE }) },
      'skip 0 missed, skip 1 missed, run 2, run 3, run 4, run 5, next 6',
    ],
    [
      'once: runs none when all missed are older than the window',
      { now: 9 * MINUTE - 1, schedule: every(5 * MINUTE, { startAt: 0 }), missed: missed({ windowMs: MINUTE }) },
      'skip 0 missed, skip 5 missed, next 10',
    ],
    [
      'skips excluded days with that reason, and runs the latest one that is not excluded',
      { schedule: cron('@daily', 'UTC', { exclude: ['1970-01-03'] }), now: 2 * DAY + HOUR },
      'skip 0 missed, run 1440, skip 2880 excluded, next 4320',
    ],
    [
      'stops at endAt',
      { schedule: every(MINUTE, { startAt: 0, endAt: 2 * MINUTE }), now: HOUR },
      'skip 0 missed, run 1, next null',
    ],
    ['stops when maxRuns is reached', { runsLeft: 1, now: 5 }, 'run 0, next null'],
    [
      'runs the first of the missed ones that maxRuns still allows',
      { runsLeft: 2, now: 5 * MINUTE, missed: missed({ policy: 'all', limit: 4 }) },
      'run 0, run 1, next null',
    ],
    ['decides nothing when no run is left', { runsLeft: 0, now: HOUR }, 'next null'],
    ['runs a one-shot however late', { schedule: { kind: 'at', at: 0 }, now: 1000 * DAY }, 'run 0, next null'],
    [
      'runs a one-shot at its deadline',
      { schedule: { kind: 'at', at: 0 }, now: HOUR, missed: missed({ windowMs: HOUR }) },
      'run 0, next null',
    ],
    [
      'skips a one-shot past its deadline',
      { schedule: { kind: 'at', at: 0 }, now: HOUR + 1, missed: missed({ windowMs: HOUR }) },
      'skip 0 missed, next null',
    ],
    [
      'skips a one-shot past a deadline that is shorter than the threshold',
      { schedule: { kind: 'at', at: 0 }, now: 5_001, missed: missed({ windowMs: 5_000 }) },
      'skip 0 missed, next null',
    ],
    [
      'skip alone: a one-shot may be as late as the threshold',
      { schedule: { kind: 'at', at: 0 }, now: MINUTE, missed: missed({ policy: 'skip' }) },
      'run 0, next null',
    ],
    [
      'skip alone: skips a one-shot that is later',
      { schedule: { kind: 'at', at: 0 }, now: MINUTE + 1, missed: missed({ policy: 'skip' }) },
      'skip 0 missed, next null',
    ],
    [
      'skip with a window: that is the deadline',
      { schedule: { kind: 'at', at: 0 }, now: HOUR, missed: missed({ policy: 'skip', windowMs: HOUR }) },
      'run 0, next null',
    ],
    [
      'does not run a one-shot early',
      { schedule: { kind: 'in', delayMs: HOUR }, nextAt: HOUR, now: MINUTE },
      'next 60',
    ],
    [
      'waits for the end of a run of a fixed delay',
      { schedule: fixedDelay(HOUR), nextAt: HOUR, now: HOUR },
      'run 60, next null',
    ],
    ['runs a late fixed delay', { schedule: fixedDelay(HOUR), nextAt: 7 * HOUR, now: 9 * HOUR }, 'run 420, next null'],
    [
      'goes on with a fixed delay that is skipped',
      { schedule: fixedDelay(HOUR), nextAt: 7 * HOUR, now: 9 * HOUR, missed: missed({ policy: 'skip' }) },
      'skip 420 missed, next 600',
    ],
    [
      'goes on with a fixed delay on an excluded day',
      { schedule: fixedDelay(HOUR, { exclude: ['1970-01-01'] }), nextAt: HOUR, now: HOUR },
      'skip 60 excluded, next 120',
    ],
  ];
  for (const [title, input, expected] of cases) it(title, () => assert.equal(brief(decide(input)), expected));

  it('adds jitter to the due time, and measures lateness from there', () => {
    const schedule = every(10 * MINUTE, { startAt: 0, jitterMs: 5 * MINUTE });
    const late = { schedule, jitter: () => 4 * MINUTE, missed: missed({ policy: 'skip' }) };
    assert.equal(brief(decide({ ...late, now: 4 * MINUTE - 1 })), 'next 0');
    assert.equal(brief(decide({ ...late, now: 5 * MINUTE })), 'run 0, next 10');
    assert.equal(brief(decide({ ...late, now: 5 * MINUTE + 1 })), 'skip 0 missed, next 10');
  });

  it('does not count one as missed that waited for the jitter of the one before', () => {
    const schedule = every(MINUTE, { startAt: 0, jitterMs: 10 * MINUTE });
    const jitter = (at: number) => (at === 0 ? 9 * MINUTE : 0);
    const decided = decide({ schedule, jitter, now: 9 * MINUTE, missed: missed({ policy: 'skip' }) });
    assert.equal(decided.decisions.filter(({ kind }) => kind === 'run').length, 10);
    assert.equal(decided.nextAt, 10 * MINUTE);
  });
});

describe('a long absence', () => {
  const now = ms('2036-01-01T00:00:30Z');
  const tenYearsAgo = ms('2026-01-01T00:00Z');

  it('of a minutely cron is decided in well under 100 ms', () => {
    const schedule = cron('* * * * *', 'Europe/Paris');
    decide({ schedule, nextAt: tenYearsAgo, now: now - 10 * DAY });
    const { result, ms: tookMs } = timed(() =>
      decide({ schedule, nextAt: tenYearsAgo, now, missed: missed({ policy: 'all' }) }),
    );
    const { decisions, nextAt } = result;
    assert.ok(tookMs < 100, `${tookMs} ms`);
    assert.equal(nextAt, now + MINUTE / 2);
    assert.deepEqual(decisions[0], {
      kind: 'skipGroup',
      reason: 'missed',
      count: null,
      from: tenYearsAgo,
      to: now - MINUTE / 2 - 1101 * MINUTE,
    });
    const kinds = decisions.map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === 'skip').length, 1000);
    assert.equal(kinds.filter((kind) => kind === 'run').length, 101, '100 missed and the one in time');
  });

  it('of `every` is counted exactly', () => {
    const { decisions } = decide({ now: 1_000_000 * MINUTE });
    // 0 to 999,998 are missed, the latest of them runs; 999,999 and 1,000,000 are in time.
    assert.deepEqual(decisions[0], {
      kind: 'skipGroup',
      reason: 'missed',
      count: 998_998,
      from: 0,
      to: 998_997 * MINUTE,
    });
    assert.equal(decisions.length, 1 + 1000 + 1 + 2);
  });

  it('with more excluded occurrences than rows still runs the latest that is not excluded', () => {
    const schedule = every(MINUTE, { startAt: 0, exclude: ['1970-01-03/1990-12-31'] });
    const { decisions } = decide({ schedule, now: 5000 * DAY });
    assert.deepEqual(
      decisions.filter(({ kind }) => kind === 'run'),
      [{ kind: 'run', scheduledFor: 2 * DAY - MINUTE }],
    );
    assert.deepEqual(decisions[0], {
      kind: 'skipGroup',
      reason: 'missed',
      count: 5000 * 1440 + 1 - 1000 - 2 - 1,
      from: 0,
      to: 5000 * DAY - 1002 * MINUTE,
    });
  });

  it('under a threshold that calls nothing missed is decided in slices', () => {
    const input = { now: 2500 * MINUTE, missed: missed({ thresholdMs: 1e12 }) };
    let nextAt: number | null = 0;
    const slices: number[] = [];
    while (nextAt !== null && nextAt <= input.now) {
      const decided = decide({ ...input, nextAt });
      slices.push(decided.decisions.length);
      nextAt = decided.nextAt;
    }
    assert.deepEqual(slices, [1000, 1000, 501]);
  });
});

describe('coming back from a pause', () => {
  const paused = (schedule: Schedule, nextAt: number, now: number) =>
    brief(skipPassed({ schedule, anchorAt: 0, nextAt, now, jitter: () => 0, reason: 'paused' }));

  it('skips what passed', () => {
    assert.equal(
      paused(every(MINUTE, { startAt: 0 }), 0, 2 * MINUTE),
      'skip 0 paused, skip 1 paused, skip 2 paused, next 3',
    );
  });
  it('skips nothing when nothing passed', () =>
    assert.equal(paused(every(MINUTE, { startAt: 0 }), MINUTE, 59_999), 'next 1'));
  it('leaves a one-shot to run', () => assert.equal(paused({ kind: 'at', at: 0 }, 0, DAY), 'next 0'));
  it('goes on with a fixed delay', () =>
    assert.equal(paused(fixedDelay(HOUR), HOUR, 2 * HOUR), 'skip 60 paused, next 180'));
  it('shares one row among the older ones', () => {
    const shown = paused(every(MINUTE, { startAt: 0 }), 0, 2000 * MINUTE);
    assert.ok(shown.startsWith('group 0-1000 ×1001 paused, skip 1001 paused,'), shown.slice(0, 60));
  });
});

describe('properties of deciding', () => {
  const schedules: fc.Arbitrary<Schedule> = fc
    .record({
      everyMs: fc.integer({ min: 1, max: 90 }).map((minutes) => minutes * MINUTE),
      jitterMs: fc.constantFrom(0, 30_000, 10 * MINUTE, 3 * HOUR),
      exclude: fc.constantFrom([], ['1970-01-02'], ['1970-01-01/1970-01-02', '1970-01-04']),
      endAt: fc.constantFrom(null, 3 * DAY),
      asCron: fc.boolean(),
    })
    .map(({ everyMs, asCron, ...bounds }) =>
      asCron
        ? cron(`*/${Math.min(59, everyMs / MINUTE)} * * * *`, 'Europe/Paris', bounds)
        : every(everyMs, { startAt: 0, ...bounds }),
    );
  const policies = fc.record({
    policy: fc.constantFrom('skip', 'once', 'all'),
    thresholdMs: fc.constantFrom(0, MINUTE, 2 * HOUR),
    windowMs: fc.constantFrom(null, HOUR, DAY),
    limit: fc.integer({ min: 1, max: 20 }),
  });

  it('every occurrence is decided exactly once and in order, however the timer is delayed', () => {
    fc.assert(
      fc.property(
        schedules,
        policies,
        fc.array(fc.integer({ min: 0, max: 8 * HOUR }), { maxLength: 20 }),
        (schedule, policy, delays) => {
          const jitterMs = 'jitterMs' in schedule ? schedule.jitterMs : 0;
          const jitter = (at: number) => jitterOf(jitterMs, 'default/job', at);
          let nextAt = nextOccurrence(schedule, 0, -1);
          let expected = nextAt;
          let now = 0;
          for (const delay of delays) {
            if (nextAt === null) break;
            now = Math.max(now, nextAt + jitter(nextAt)) + delay;
            const decided: Decided = decideDue({
              schedule,
              anchorAt: 0,
              nextAt,
              now,
              missed: policy,
              jitter,
              runsLeft: null,
            });
            for (const decision of decided.decisions) {
              assert.ok(decision.kind !== 'skipGroup', 'so few share no row');
              assert.equal(decision.scheduledFor, expected);
              assert.ok(decision.scheduledFor + jitter(decision.scheduledFor) <= now, 'never early');
              const excluded = isExcluded(schedule, decision.scheduledFor);
              assert.equal(decision.kind === 'skip' && decision.reason === 'excluded', excluded);
              expected = nextOccurrence(schedule, 0, decision.scheduledFor);
            }
            nextAt = decided.nextAt;
            assert.equal(nextAt, expected);
            assert.ok(nextAt === null || nextAt + jitter(nextAt) > now, 'all that passed is decided');
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
