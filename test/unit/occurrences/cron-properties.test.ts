/** What holds for every cron, against brute force and against cron-parser. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { fieldsOf } from '../../../services/core/occurrences/cron-fields.ts';
import { cronNext, cronPrev, validateCron, type CronSchedule } from '../../../services/core/occurrences/cron.ts';
import { shortestInterval, wallTimeFrom } from '../../../services/core/occurrences/wall-clock.ts';
import { cron, HOUR, iso, MINUTE, ms, occurrencesIn } from './schedules.ts';

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

describe('messages about crons', () => {
  it("are Belfry's own, short and about one field, whatever was written", () => {
    const garbage = fc
      .array(fc.stringMatching(/^[-0-9*\/,#?LWHa-zA-Z.é]{0,12}$/), { minLength: 5, maxLength: 6 })
      .map((fields) => fields.join(' '));
    const ours =
      /^(a cron expression has 5 fields|unknown macro|(second|minute|hour|day-of-month|month|day-of-week) field ".*": .*(write|written|such as|instead|not supported))/;
    fc.assert(
      fc.property(fc.oneof(garbage, fc.string()), (text) => {
        const message = validateCron(text, 'UTC');
        if (message === undefined) return;
        assert.match(message, ours);
        assert.ok(message.length < 400, message);
        // What was written is quoted, and may be such a word itself.
        assert.doesNotMatch(message.replace(/".*"/s, ''), /Constraint|Invalid|Cron[A-Z]|undefined|NaN|Error/, message);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the shortest interval of a cron', () => {
  it('is the least distance between two occurrences, as counting finds it', () => {
    fc.assert(
      fc.property(expression, (text) => {
        const fields = fieldsOf(text);
        let least = Infinity;
        // Eight months at most; dense expressions repeat themselves daily.
        const end = fields.seconds.length * fields.minutes.length * fields.hours.length > 200 ? 3 : 2_922;
        let before = wallTimeFrom(fields, 0);
        for (let next = before; next !== null && next < end * 24 * HOUR; before = next) {
          next = wallTimeFrom(fields, before! + 1);
          if (next !== null) least = Math.min(least, next - before!);
        }
        assert.ok(shortestInterval(fields) <= least, `${text}: ${shortestInterval(fields)}, counted ${least}`);
        const day = 24 * HOUR;
        if (least < day) assert.equal(shortestInterval(fields), least, text);
      }),
      { numRuns: 200 },
    );
  });
});

/** Clock changes, by zone: what a day and a half around each must look like is found by going through its minutes. */
const AROUND: [string, string][] = [
  ['Australia/Lord_Howe', '2027-10-02T15:30Z'],
  ['Australia/Lord_Howe', '2027-04-03T15:00Z'],
  ['Europe/Paris', '2027-03-28T01:00Z'],
  ['Europe/Paris', '2027-10-31T01:00Z'],
  ['America/Santiago', '2026-09-06T04:00Z'],
  ['America/Santiago', '2026-04-05T03:00Z'],
  ['Antarctica/Troll', '2027-03-28T01:00Z'],
  ['Africa/Cairo', '2027-04-29T22:00Z'],
  ['America/St_Johns', '2027-03-14T05:30Z'],
];
const HALF = 36 * 60;

/** Wall times of each minute around a change, by the runtime's own calendar. */
function wallTimes(zone: string, change: string): { at: number; wall: number }[] {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric' },
  });
  return Array.from({ length: 2 * HALF }, (_, index) => {
    const at = ms(change) + (index - HALF) * MINUTE;
    const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    return { at, wall: Date.UTC(part.year!, part.month! - 1, part.day, part.hour, part.minute) };
  });
}

/** Minutes that occur, straight from the definition. */
function counted(schedule: CronSchedule, minutes: { at: number; wall: number }[]): number[] {
  const fields = fieldsOf(schedule.cron);
  const matches = (wall: number): boolean => wallTimeFrom(fields, wall) === wall;
  const found = new Set<number>();
  let latest = -Infinity;
  for (const [index, { at, wall }] of minutes.entries()) {
    const before = minutes[index - 1];
    const isSecondPass = wall <= latest;
    if (matches(wall) && (!isSecondPass || fields.isInterval || schedule.dst.repeat === 'both')) found.add(at);
    if (before !== undefined && !fields.isInterval && schedule.dst.gap === 'shift') {
      // What a clock that had not been changed would have shown, as far as it was left out.
      for (let left = before.wall + MINUTE; left < wall; left += MINUTE)
        if (matches(left)) found.add(before.at + (left - before.wall));
    }
    latest = Math.max(latest, wall);
  }
  return [...found].sort((a, b) => a - b);
}

describe('properties of cron', () => {
  it('occurs around clock changes as going through every minute finds it', () => {
    const windows = AROUND.map(([zone, change]) => ({ zone, minutes: wallTimes(zone, change) }));
    const hours = fc.constantFrom('*', '*', '*/2', '*/3', '0-23', '0', '1,2', '2', '2-4', '23,0');
    const minutes = fc.constantFrom('0', '15', '45', '*/20', '*/30', '*/7', '10,50', '*');
    const dst = fc.record({ gap: fc.constantFrom('shift', 'skip'), repeat: fc.constantFrom('once', 'both') });
    fc.assert(
      fc.property(fc.constantFrom(...windows), minutes, hours, dst, ({ zone, minutes: all }, minute, hour, policy) => {
        const schedule = cron(`${minute} ${hour} * * *`, zone, policy);
        const from = all[0]!.at + 6 * HOUR;
        const to = all.at(-1)!.at - 6 * HOUR;
        const expected = counted(schedule, all).filter((at) => at >= from && at < to);
        assert.deepEqual(
          occurrencesIn(schedule, from, to),
          expected.map((at) => iso(at)!.replace(':00.000Z', 'Z')),
          `${schedule.cron} ${zone} ${JSON.stringify(policy)}`,
        );
      }),
      { numRuns: 300 },
    );
  });

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
