import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cronNext, cronPrev, validateCron } from '../../../services/core/occurrences/cron.ts';
import { cron, HOUR, iso, MINUTE, ms, occurrencesIn } from './schedules.ts';

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
    ['2026-03-28T23:00Z', '2026-03-29T02:00Z'],
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
  // 3 October 2027, 02:00 → 02:30 (15:30Z the day before): slots of real time get no run of another slot.
  [
    'Australia/Lord_Howe',
    '*/20 * * * *',
    'shift',
    '2027-10-02T15:00Z',
    '2027-10-02T16:30Z',
    ['2027-10-02T15:10Z', '2027-10-02T15:40Z', '2027-10-02T16:00Z', '2027-10-02T16:20Z'],
  ],
  // One run a day is a time of day, however it is written: midnight does not exist on 6 September 2026.
  ['America/Santiago', '0 */24 * * *', 'shift', '2026-09-05T12:00Z', '2026-09-06T12:00Z', ['2026-09-06T04:00Z']],
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
    '0 0 * * 0,7',
    '0 8-12,12-16 * * *',
    '0 0 * * 1#1,1#3',
    '0 0 * * 1-7',
    '5/60 */24 * * *',
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
    ['0 0 * * MONDAY', /^day-of-week field "MONDAY": "MONDAY" is written MON$/],
    ['0 0 1 january *', /^month field "january": "JANUARY" is written JAN$/],
    ['0 0 * * FRI-SUN', /the range 5-0 ends before it begins; write 5-7$/],
    ['0 0 * * SAT-MON', /write 6,0-1$/],
    ['0 22-2 * * *', /hour field "22-2": the range 22-2 ends before it begins; write 22-23,0-2$/],
    ['0 0 * NOV-FEB *', /write 11-12,1-2$/],
    ['-5 * * * *', /minute field "-5": "-5" has no beginning; write 5, or 0-5$/],
    ['5- * * * *', /write 5, or 5-59$/],
    ['1,,2 * * * *', /an entry of the list is empty/],
    [
      '*/90 * * * *',
      /minute field "\*\/90": the step 90 is larger than the 60 minutes of an hour; write \{ "every": "90m" \}/,
    ],
    ['0 */25 * * *', /write \{ "every": "25h" \}/],
    ['*/61 * * * * *', /write \{ "every": "61s" \}/],
    ['0 0 */40 * *', /write \{ "every": "40d" \}/],
    ['0 0 * * */8', /write \{ "every": "8d" \}/],
    ['0 0 1 */13 *', /name the months instead/],
    ['5-59/90 * * * *', /the step 90 is larger/],
    ['*/1/2 * * * *', /more than one step/],
    ['0 0 * * 1L#2', /the last Friday is written 5L/],
    ['0 24 * * *', /hour field "24": "24" is not allowed; write 0-23/],
  ];
  for (const [text, message] of bad) {
    it(`refuses "${text}" and says why`, () => assert.match(validateCron(text, 'UTC') ?? 'accepted', message));
  }

  it('refuses an unknown time zone by name', () => {
    assert.equal(validateCron('@daily', 'Europe/Pariis'), 'unknown time zone "Europe/Pariis"');
  });
});
