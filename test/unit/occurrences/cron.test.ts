import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { cronNext, cronPrev, validateCron, type CronSchedule } from '../../../services/core/occurrences/cron.ts';
import { cron, HOUR, iso, MINUTE, ms } from './schedules.ts';

/** All occurrences in [from, to), found forwards; found backwards they must be the same. */
function occurrencesIn(schedule: CronSchedule, from: number, to: number): string[] {
  const forwards: string[] = [];
  for (let at = cronNext(schedule, from - 1); at !== null && at < to; at = cronNext(schedule, at))
    forwards.push(iso(at)!);
  const backwards: string[] = [];
  for (let at = cronPrev(schedule, to); at !== null && at >= from; at = cronPrev(schedule, at))
    backwards.push(iso(at)!);
  assert.deepEqual(backwards.reverse(), forwards);
  return forwards.map((text) => text.replace(':00.000Z', 'Z'));
}

const POLICIES = {
  shift: { gap: 'shift' },
  skip: { gap: 'skip' },
  once: { repeat: 'once' },
  both: { repeat: 'both' },
} as const;

/** Zone, expression, policy, UTC window, expected instants in UTC. */
const CLOCK_CHANGES: [string, string, keyof typeof POLICIES, string, string, string[]][] = [
  // 29 March 2026, 02:00 → 03:00 (01:00Z).
  [
    'Europe/Paris',
    '30 2 * * *',
    'shift',
    '2026-03-28T12:00Z',
    '2026-03-30T12:00Z',
    ['2026-03-29T01:30Z', '2026-03-30T00:30Z'],
  ],
  ['Europe/Paris', '30 2 * * *', 'skip', '2026-03-28T12:00Z', '2026-03-30T12:00Z', ['2026-03-30T00:30Z']],
  ['Europe/Paris', '30 2,3 * * *', 'shift', '2026-03-29T00:00Z', '2026-03-29T12:00Z', ['2026-03-29T01:30Z']],
  [
    'Europe/Paris',
    '0,45 2-3 29 3 *',
    'shift',
    '2026-03-01T00:00Z',
    '2026-04-01T00:00Z',
    ['2026-03-29T01:00Z', '2026-03-29T01:45Z'],
  ],
  ['Europe/Paris', '15 3,2 29 3 *', 'skip', '2026-03-01T00:00Z', '2026-04-01T00:00Z', ['2026-03-29T01:15Z']],
  ['Europe/Paris', '50 2 29 3 *', 'shift', '2026-03-29T00:00Z', '2026-03-29T12:00Z', ['2026-03-29T01:50Z']],
  [
    'Europe/Paris',
    '*/30 * * * *',
    'shift',
    '2026-03-29T00:30Z',
    '2026-03-29T02:00Z',
    ['2026-03-29T00:30Z', '2026-03-29T01:00Z', '2026-03-29T01:30Z'],
  ],
  [
    'Europe/Paris',
    '0 */2 * * *',
    'shift',
    '2026-03-28T23:00Z',
    '2026-03-29T04:00Z',
    ['2026-03-28T23:00Z', '2026-03-29T01:00Z', '2026-03-29T02:00Z'],
  ],
  // 25 October 2026, 03:00 → 02:00 (01:00Z).
  [
    'Europe/Paris',
    '30 2 * * *',
    'once',
    '2026-10-25T00:00Z',
    '2026-10-26T12:00Z',
    ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
  ],
  [
    'Europe/Paris',
    '30 2 * * *',
    'both',
    '2026-10-25T00:00Z',
    '2026-10-26T00:00Z',
    ['2026-10-25T00:30Z', '2026-10-25T01:30Z'],
  ],
  [
    'Europe/Paris',
    '*/20 2 * * *',
    'once',
    '2026-10-25T00:00Z',
    '2026-10-26T00:00Z',
    ['2026-10-25T00:00Z', '2026-10-25T00:20Z', '2026-10-25T00:40Z'],
  ],
  [
    'Europe/Paris',
    '*/30 * * * *',
    'once',
    '2026-10-25T00:00Z',
    '2026-10-25T02:30Z',
    ['2026-10-25T00:00Z', '2026-10-25T00:30Z', '2026-10-25T01:00Z', '2026-10-25T01:30Z', '2026-10-25T02:00Z'],
  ],
  [
    'Europe/Paris',
    '0 */2 * * *',
    'once',
    '2026-10-24T22:00Z',
    '2026-10-25T04:00Z',
    ['2026-10-24T22:00Z', '2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T03:00Z'],
  ],
  // 8 March 2026, 02:00 → 03:00 (07:00Z); 1 November 2026, 02:00 → 01:00 (06:00Z).
  ['America/New_York', '30 2 8 3 *', 'shift', '2026-03-01T00:00Z', '2026-04-01T00:00Z', ['2026-03-08T07:30Z']],
  ['America/New_York', '30 1 1 11 *', 'once', '2026-11-01T00:00Z', '2026-11-02T00:00Z', ['2026-11-01T05:30Z']],
  [
    'America/New_York',
    '30 1 1 11 *',
    'both',
    '2026-11-01T00:00Z',
    '2026-11-02T00:00Z',
    ['2026-11-01T05:30Z', '2026-11-01T06:30Z'],
  ],
  [
    'America/New_York',
    '0 9 * * MON-FRI',
    'shift',
    '2026-03-06T00:00Z',
    '2026-03-10T00:00Z',
    ['2026-03-06T14:00Z', '2026-03-09T13:00Z'],
  ],
  // 5 April 2026, 02:00 → 01:30 (15:00Z the day before); 4 October 2026, 02:00 → 02:30 (15:30Z the day before).
  [
    'Australia/Lord_Howe',
    '0 12 * * *',
    'once',
    '2026-04-04T00:00Z',
    '2026-04-06T00:00Z',
    ['2026-04-04T01:00Z', '2026-04-05T01:30Z'],
  ],
  ['Australia/Lord_Howe', '45 1 * * *', 'once', '2026-04-04T12:00Z', '2026-04-05T12:00Z', ['2026-04-04T14:45Z']],
  [
    'Australia/Lord_Howe',
    '45 1 * * *',
    'both',
    '2026-04-04T12:00Z',
    '2026-04-05T12:00Z',
    ['2026-04-04T14:45Z', '2026-04-04T15:15Z'],
  ],
  ['Australia/Lord_Howe', '15 2 * * *', 'shift', '2026-10-03T12:00Z', '2026-10-04T12:00Z', ['2026-10-03T15:45Z']],
  ['Australia/Lord_Howe', '15 2 * * *', 'skip', '2026-10-03T12:00Z', '2026-10-04T12:00Z', []],
  // 6 September 2026, 00:00 → 01:00 (04:00Z); 5 April 2026, 00:00 → 23:00 of the 4th (03:00Z).
  [
    'America/Santiago',
    '@daily',
    'shift',
    '2026-09-05T12:00Z',
    '2026-09-07T12:00Z',
    ['2026-09-06T04:00Z', '2026-09-07T03:00Z'],
  ],
  ['America/Santiago', '@daily', 'skip', '2026-09-05T12:00Z', '2026-09-07T12:00Z', ['2026-09-07T03:00Z']],
  [
    'America/Santiago',
    '30 23 * * *',
    'once',
    '2026-04-04T12:00Z',
    '2026-04-06T12:00Z',
    ['2026-04-05T02:30Z', '2026-04-06T03:30Z'],
  ],
  // Ramadan 2026: +01:00 until 15 February 03:00, then +00:00, back on 22 March 02:00.
  [
    'Africa/Casablanca',
    '30 2 * * *',
    'both',
    '2026-02-14T12:00Z',
    '2026-02-15T12:00Z',
    ['2026-02-15T01:30Z', '2026-02-15T02:30Z'],
  ],
  ['Africa/Casablanca', '30 2 * * *', 'shift', '2026-03-21T12:00Z', '2026-03-22T12:00Z', ['2026-03-22T02:30Z']],
  [
    'Asia/Kolkata',
    '0 9 * * *',
    'shift',
    '2026-03-28T00:00Z',
    '2026-03-30T00:00Z',
    ['2026-03-28T03:30Z', '2026-03-29T03:30Z'],
  ],
  // 30 December 2011 was left out: −10:00 → +14:00 at 10:00Z.
  [
    'Pacific/Apia',
    '0 9 * * *',
    'shift',
    '2011-12-29T12:00Z',
    '2012-01-01T00:00Z',
    ['2011-12-29T19:00Z', '2011-12-30T19:00Z', '2011-12-31T19:00Z'],
  ],
  ['Pacific/Apia', '0 9 30 12 *', 'shift', '2011-12-01T00:00Z', '2012-02-01T00:00Z', ['2011-12-30T19:00Z']],
  // 31 December 1994 was left out, −10:00 → +14:00 at 10:00Z: the shift reaches into the next UTC year.
  ['Pacific/Kiritimati', '0 20 31 12 *', 'shift', '1994-12-01T00:00Z', '1995-02-01T00:00Z', ['1995-01-01T06:00Z']],
  ['Pacific/Apia', '0 9 30 12 *', 'skip', '2011-12-01T00:00Z', '2012-02-01T00:00Z', []],
];

describe('cron around clock changes', () => {
  for (const [zone, text, policy, from, to, expected] of CLOCK_CHANGES) {
    it(`${zone}, ${text}, ${policy}, from ${from} occurs ${expected.length} times`, () => {
      assert.deepEqual(occurrencesIn(cron(text, zone, POLICIES[policy]), ms(from), ms(to)), expected);
    });
  }

  it('gives every hour of every zone its run, in the order of real time', () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const schedule = cron('30 * * * *', zone);
      let at = ms('2026-01-01T00:00Z');
      while (at < ms('2026-12-31T00:00Z')) {
        const next = cronNext(schedule, at);
        assert.ok(next !== null && next > at && next - at <= HOUR, `${zone} after ${iso(at)}: ${iso(next)}`);
        at = Math.max(next, next + 20 * 24 * HOUR - (next % 997) * MINUTE);
      }
    }
  });

  it('runs a daily job once a day in every zone', () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      const schedule = cron('0 12 * * *', zone);
      let count = 0;
      for (
        let at = cronNext(schedule, ms('2026-01-01T00:00Z') - 1);
        at! < ms('2027-01-01T00:00Z');
        at = cronNext(schedule, at!)
      )
        count++;
      assert.ok(count === 365, `${zone}: ${count}`);
    }
  });
});

describe('rare and impossible crons', () => {
  it('finds a fifth Monday of February 28 years away', () => {
    const schedule = cron('0 0 * 2 1#5');
    assert.equal(iso(cronNext(schedule, ms('2016-02-29T00:00Z'))), '2044-02-29T00:00:00.000Z');
    assert.equal(iso(cronPrev(schedule, ms('2044-02-29T00:00Z'))), '2016-02-29T00:00:00.000Z');
    assert.equal(iso(cronNext(schedule, ms('2080-01-01T00:00Z'))), '2112-02-29T00:00:00.000Z');
  });

  for (const text of ['0 0 30 2 *', '0 0 31 2,4,6 *']) {
    it(`tells that ${text} never occurs`, () => {
      assert.equal(validateCron(text, 'UTC'), undefined);
      assert.equal(cronNext(cron(text, 'Europe/Paris'), ms('2026-01-01T00:00Z')), null);
      assert.equal(cronPrev(cron(text, 'Europe/Paris'), ms('2026-01-01T00:00Z')), null);
    });
  }

  it('tells that a cron which names only a gap never occurs when gaps are skipped', () => {
    // The second Sunday of March, when New York has no 02:30.
    assert.equal(cronNext(cron('30 2 * 3 0#2', 'America/New_York', { gap: 'skip' }), ms('2026-01-01T00:00Z')), null);
  });
});

describe('validateCron', () => {
  const good = [
    '* * * * *',
    '0 9 * * MON-FRI',
    '*/5 0 9 * * mon',
    '@daily',
    '@hourly',
    ' 0 0 L * * ',
    '0 0 * * 5L',
    '0 0 * MAR 4#2',
    '0 0 * * THU',
    '0 0 1,15 * 7',
  ];
  for (const text of good) it(`accepts "${text}"`, () => assert.equal(validateCron(text, 'Europe/Paris'), undefined));

  const bad: [string, RegExp][] = [
    ['', /"" has 0/],
    ['* * * *', /has 4/],
    ['0 0 12 * * * 2026', /has 7 \(years are not supported\)/],
    ['@reboot', /unknown macro "@reboot": allowed are @hourly/],
    ['61 * * * *', /minute field "61": .*0-59/],
    ['* 25 * * *', /hour field "25"/],
    ['H * * * *', /minute field "H": "H" is not supported/],
    ['0 0 15W * *', /day-of-month field "15W": "W" is not supported/],
    ['0 0 ? * MON', /day-of-month field "\?": "\?" is not supported, write "\*"/],
    ['0 0 * * MOO', /day-of-week field "MOO"/],
    ['*/0 * * * *', /minute field/],
    ['5-1 * * * *', /minute field/],
    ['a * * * *', /minute field "a"/],
    ['0 0 * * 1#6', /day-of-week field "1#6"/],
    ['0 0 32 * *', /day-of-month field "32"/],
    ['0 0 L-3 * *', /day-of-month field "L-3"/],
  ];
  for (const [text, message] of bad) {
    it(`refuses "${text}" and says why`, () => assert.match(validateCron(text, 'UTC') ?? 'accepted', message));
  }

  it('refuses an unknown time zone by name', () => {
    assert.equal(validateCron('@daily', 'Europe/Pariis'), 'unknown time zone "Europe/Pariis"');
  });
});

const field = (min: number, max: number) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant('*') },
    fc.integer({ min, max }).map(String),
    fc.integer({ min: 2, max: 20 }).map((step) => `*/${step}`),
    fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 }).map((values) => values.join(',')),
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
  );
const expression = fc
  .tuple(
    field(0, 59),
    field(0, 59),
    field(0, 23),
    fc.oneof(field(1, 28), fc.constantFrom('L', '15,31', '15,L')),
    field(1, 12),
    fc.oneof(field(0, 6), fc.constantFrom('5L', '1#1', '7', 'MON-FRI', '2,5L')),
  )
  .map((fields) => fields.join(' '));
const instant = fc.integer({ min: ms('2020-01-01T00:00Z'), max: ms('2035-01-01T00:00Z') });

describe('properties of cron', () => {
  it('agrees with cron-parser in UTC, forwards and backwards', () => {
    fc.assert(
      fc.property(expression, instant, (text, at) => {
        const reference = CronExpressionParser.parse(text, { tz: 'UTC', currentDate: new Date(at) });
        assert.equal(iso(cronNext(cron(text), at)), reference.next().toISOString());
        reference.reset(new Date(at));
        assert.equal(iso(cronPrev(cron(text), at)), reference.prev().toISOString());
      }),
      { numRuns: 300 },
    );
  });

  it('finds strictly later occurrences, and the same ones backwards, whatever the zone and the policy', () => {
    const zone = fc.constantFrom(
      'Europe/Paris',
      'Australia/Lord_Howe',
      'America/Santiago',
      'Africa/Casablanca',
      'Pacific/Apia',
    );
    const dst = fc.record({ gap: fc.constantFrom('shift', 'skip'), repeat: fc.constantFrom('once', 'both') });
    // Half of the instants are near a clock change.
    const near = fc
      .tuple(
        fc.constantFrom(
          '2026-03-29T01:00Z',
          '2026-10-25T01:00Z',
          '2026-04-04T15:00Z',
          '2026-10-03T15:30Z',
          '2026-09-06T04:00Z',
          '2011-12-30T10:00Z',
        ),
        fc.integer({ min: -26 * HOUR, max: 26 * HOUR }),
      )
      .map(([change, distance]) => ms(change) + distance);
    fc.assert(
      fc.property(expression, zone, dst, fc.oneof(near, instant), (text, timezone, policy, at) => {
        const schedule = cron(text, timezone, policy);
        const next = cronNext(schedule, at);
        if (next === null) return;
        assert.ok(next > at);
        assert.equal(cronNext(schedule, next - 1), next);
        assert.equal(cronPrev(schedule, next + 1), next);
        const prev = cronPrev(schedule, next);
        assert.ok(prev === null || prev <= at, 'nothing lies between');
        if (prev !== null) assert.equal(cronNext(schedule, prev), next);
      }),
      { numRuns: 500 },
    );
  });
});
