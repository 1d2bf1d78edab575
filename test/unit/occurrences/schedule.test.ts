import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Schedule } from '../../../services/core/model.ts';
import { previewOccurrences } from '../../../services/core/occurrences/preview.ts';
import {
  afterEnd,
  anchorOf,
  firstOccurrence,
  isExcluded,
  jitterOf,
  neverFires,
  nextIncluded,
  nextOccurrence,
  prevIncluded,
  prevOccurrence,
} from '../../../services/core/occurrences/schedule.ts';
import { cron, DAY, every, fixedDelay, HOUR, iso, MINUTE, ms } from './schedules.ts';

const APPLIED = ms('2026-06-01T10:00:20Z');

function first(schedule: Schedule, appliedAt = APPLIED): string | null {
  return iso(firstOccurrence(schedule, anchorOf(schedule, appliedAt), appliedAt));
}

describe('the first occurrence', () => {
  const at = (text: string) => ms(text);
  const cases: [string, Schedule, string | null][] = [
    [
      'of `at` is that instant, even in the past',
      { kind: 'at', at: at('2020-01-01T00:00Z') },
      '2020-01-01T00:00:00.000Z',
    ],
    ['of `in` counts from the command', { kind: 'in', delayMs: 5 * MINUTE }, '2026-06-01T10:05:20.000Z'],
    ['of `every` comes one interval after applying', every(HOUR), '2026-06-01T11:00:20.000Z'],
    ['of `every` is startAt itself', every(HOUR, { startAt: at('2026-06-02T00:00Z') }), '2026-06-02T00:00:00.000Z'],
    ['of `every` is a startAt of a moment ago', every(HOUR, { startAt: APPLIED - 500 }), iso(APPLIED - 500)],
    [
      'of `every` keeps the phase of a startAt long ago',
      every(HOUR, { startAt: at('2020-01-01T00:30Z') }),
      '2026-06-01T10:30:00.000Z',
    ],
    ['of `fixedDelay` comes one delay after applying', fixedDelay(HOUR), '2026-06-01T11:00:20.000Z'],
    [
      'of `fixedDelay` is startAt itself',
      fixedDelay(HOUR, { startAt: at('2026-06-02T00:00Z') }),
      '2026-06-02T00:00:00.000Z',
    ],
    [
      'of `fixedDelay` with a startAt long ago is now',
      fixedDelay(HOUR, { startAt: at('2020-01-01T00:00Z') }),
      iso(APPLIED),
    ],
    ['of a cron comes after applying', cron('0 * * * *'), '2026-06-01T11:00:00.000Z'],
    [
      'of a cron may be startAt',
      cron('0 * * * *', 'UTC', { startAt: at('2026-06-02T00:00Z') }),
      '2026-06-02T00:00:00.000Z',
    ],
    ['does not reach endAt', every(HOUR, { endAt: at('2026-06-01T11:00:20Z') }), null],
    ['may be excluded, since it then gets a row', every(HOUR, { exclude: ['2026-06-01'] }), '2026-06-01T11:00:20.000Z'],
  ];
  for (const [title, schedule, expected] of cases) it(title, () => assert.equal(first(schedule), expected));
});

describe('later and earlier occurrences', () => {
  it('are previewed for 100 years', () => {
    const schedule = every(36_500 * 86_400_000);
    const found = previewOccurrences(schedule, { from: 0, count: 1_000, anchorAt: 0 });
    assert.equal(found.length, 1);
  });

  it('of `every` are calculated, however far away', () => {
    const schedule = every(1000, { startAt: 0 });
    assert.equal(nextOccurrence(schedule, 0, 3e12 + 1), 3e12 + 1000);
    assert.equal(nextOccurrence(schedule, 0, 3e12), 3e12 + 1000);
    assert.equal(prevOccurrence(schedule, 0, 3e12), 3e12 - 1000);
    assert.equal(prevOccurrence(schedule, 0, 1), 0);
    assert.equal(prevOccurrence(schedule, 0, 0), null);
  });

  it('of `every` without startAt do not include the moment of applying', () => {
    assert.equal(nextOccurrence(every(HOUR), APPLIED, 0), APPLIED + HOUR);
    assert.equal(prevOccurrence(every(HOUR), APPLIED, APPLIED + HOUR), null);
  });

  it('of a one-shot and of a fixed delay are none after the first', () => {
    for (const schedule of [{ kind: 'in', delayMs: HOUR }, fixedDelay(HOUR)] satisfies Schedule[]) {
      assert.equal(nextOccurrence(schedule, APPLIED, APPLIED), APPLIED + HOUR);
      assert.equal(nextOccurrence(schedule, APPLIED, APPLIED + HOUR), null);
      assert.equal(prevOccurrence(schedule, APPLIED, APPLIED + HOUR), null);
      assert.equal(prevOccurrence(schedule, APPLIED, APPLIED + HOUR + 1), APPLIED + HOUR);
    }
  });

  it('of a fixed delay count from the end of the run before, until endAt', () => {
    assert.equal(afterEnd(fixedDelay(HOUR), APPLIED), APPLIED + HOUR);
    assert.equal(afterEnd(fixedDelay(HOUR, { endAt: APPLIED + HOUR }), APPLIED), null);
    assert.equal(afterEnd(every(HOUR), APPLIED), null);
  });

  it('lie in [startAt, endAt) for a cron', () => {
    const schedule = cron('@daily', 'UTC', { startAt: ms('2026-06-02T00:00Z'), endAt: ms('2026-06-04T00:00Z') });
    const anchorAt = anchorOf(schedule, APPLIED);
    assert.equal(iso(nextOccurrence(schedule, anchorAt, 0)), '2026-06-02T00:00:00.000Z');
    assert.equal(nextOccurrence(schedule, anchorAt, ms('2026-06-03T00:00Z')), null);
    assert.equal(iso(prevOccurrence(schedule, anchorAt, ms('2030-01-01T00:00Z'))), '2026-06-03T00:00:00.000Z');
    assert.equal(prevOccurrence(schedule, anchorAt, ms('2026-06-02T00:00Z')), null);
  });

  it('are found both ways alike, for any interval, bounds and moment', () => {
    const bound = fc.option(fc.integer({ min: -1e6, max: 1e6 }));
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 1e5 }),
        bound,
        bound,
        fc.integer({ min: -2e6, max: 2e6 }),
        (everyMs, startAt, endAt, after) => {
          const schedule = every(everyMs, { startAt, endAt });
          const anchorAt = anchorOf(schedule, 77);
          const next = nextOccurrence(schedule, anchorAt, after);
          if (next === null) return assert.ok(endAt !== null);
          assert.ok(next > after && (endAt === null || next < endAt) && next >= anchorAt);
          assert.equal(prevOccurrence(schedule, anchorAt, next + 1), next);
          const prev = prevOccurrence(schedule, anchorAt, next);
          assert.ok(prev === null || prev <= after);
        },
      ),
    );
  });
});

describe('excluded days', () => {
  const christmas = every(HOUR, { exclude: ['2026-12-24/2026-12-26', '2026-12-31'] }, 'America/New_York');
  const cases: [string, boolean][] = [
    ['2026-12-24T04:59:59.999Z', false],
    ['2026-12-24T05:00Z', true],
    ['2026-12-27T04:59:59.999Z', true],
    ['2026-12-27T05:00Z', false],
    ['2026-12-31T12:00Z', true],
  ];
  for (const [at, expected] of cases) {
    it(`${expected ? 'include' : 'do not include'} ${at} in New York`, () =>
      assert.equal(isExcluded(christmas, ms(at)), expected));
  }

  it('are jumped over, both ways', () => {
    assert.equal(iso(nextIncluded(christmas, 0, ms('2026-12-24T04:30Z'))), '2026-12-27T05:00:00.000Z');
    assert.equal(iso(prevIncluded(christmas, 0, ms('2026-12-27T05:00Z'))), '2026-12-24T04:00:00.000Z');
  });

  it('are jumped over quickly by a schedule of seconds', () => {
    const schedule = every(1000, { exclude: ['2000-01-01/2050-12-31'] });
    assert.equal(iso(nextIncluded(schedule, 0, ms('2026-01-01T00:00Z'))), '2051-01-01T00:00:00.000Z');
    assert.equal(iso(prevIncluded(schedule, 0, ms('2026-01-01T00:00Z'))), '1999-12-31T23:59:59.000Z');
  });

  it('end when midnight does not exist', () => {
    const schedule = cron('*/30 * * * *', 'America/Santiago', { exclude: ['2026-09-05'] });
    assert.equal(iso(nextIncluded(schedule, 0, ms('2026-09-05T12:00Z'))), '2026-09-06T04:00:00.000Z');
  });
});

describe('neverFires', () => {
  const cases: [string, Schedule, boolean][] = [
    ['30 February', cron('0 0 30 2 *'), true],
    ['an end before the first occurrence', cron('@daily', 'UTC', { endAt: APPLIED + HOUR }), true],
    ['an end in the past', every(HOUR, { startAt: 0, endAt: 10 * DAY }), true],
    [
      'only excluded days',
      cron('0 0 25 12 *', 'UTC', { exclude: ['2026-12-25', '2027-12-25'], endAt: ms('2028-01-01T00:00Z') }),
      true,
    ],
    ['an instant in the past', { kind: 'at', at: 0 }, false],
    ['29 February', cron('0 0 29 2 *'), false],
    ['a first day that is excluded', every(HOUR, { exclude: ['2026-06-01'] }), false],
  ];
  for (const [title, schedule, expected] of cases) {
    it(`is ${expected} for ${title}`, () =>
      assert.equal(neverFires(schedule, anchorOf(schedule, APPLIED), APPLIED), expected));
  }
});

describe('jitter', () => {
  it('is the same at every call, below its bound, and spread', () => {
    const delays = Array.from({ length: 1000 }, (_, i) => jitterOf(10_000, 'default/report', i * HOUR));
    assert.deepEqual(
      delays,
      Array.from({ length: 1000 }, (_, i) => jitterOf(10_000, 'default/report', i * HOUR)),
    );
    assert.ok(delays.every((delay) => Number.isInteger(delay) && delay >= 0 && delay < 10_000));
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = delays.filter((delay) => Math.floor(delay / 1000) === tenth).length;
      assert.ok(share > 50 && share < 150, `${share} of 1000 in tenth ${tenth}`);
    }
  });

  it('differs between jobs with equal schedules, and is 0 without jitter', () => {
    assert.notEqual(jitterOf(1e9, 'default/a', APPLIED), jitterOf(1e9, 'default/b', APPLIED));
    assert.equal(jitterOf(0, 'default/a', APPLIED), 0);
  });
});

describe('a preview', () => {
  it('shows local times, what clock changes did, and excluded days', () => {
    const schedule = cron('30 2 * * *', 'Europe/Paris', { exclude: ['2026-03-30'] });
    const from = ms('2026-03-28T01:30Z');
    assert.deepEqual(
      previewOccurrences(schedule, { from, count: 3, anchorAt: 0 }).map(({ at, ...rest }) => ({
        at: iso(at),
        ...rest,
      })),
      [
        { at: '2026-03-28T01:30:00.000Z', excluded: false, dst: null, local: '2026-03-28T02:30:00.000+01:00' },
        { at: '2026-03-29T01:30:00.000Z', excluded: false, dst: 'gap', local: '2026-03-29T03:30:00.000+02:00' },
        { at: '2026-03-30T00:30:00.000Z', excluded: true, dst: null, local: '2026-03-30T02:30:00.000+02:00' },
      ],
    );
  });

  it('marks both passes of a repeated hour', () => {
    const schedule = cron('30 1 * * *', 'America/New_York', { repeat: 'both' });
    const shown = previewOccurrences(schedule, { from: ms('2026-10-31T12:00Z'), count: 3, anchorAt: 0 });
    assert.deepEqual(
      shown.map(({ local, dst }) => [local, dst]),
      [
        ['2026-11-01T01:30:00.000-04:00', 'repeat'],
        ['2026-11-01T01:30:00.000-05:00', 'repeat'],
        ['2026-11-02T01:30:00.000-05:00', null],
      ],
    );
  });

  it('of a one-shot and of a fixed delay shows what is known', () => {
    assert.equal(previewOccurrences({ kind: 'at', at: 5 }, { from: 0, count: 5, anchorAt: 0 }).length, 1);
    assert.equal(previewOccurrences(fixedDelay(HOUR), { from: 0, count: 5, anchorAt: 0 }).length, 1);
  });
});
