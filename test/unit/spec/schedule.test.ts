import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jobWith, refusalOf, specOf } from './support.ts';

const at = '2026-12-01T09:00:00Z';

const BAD: [schedule: unknown, field: string, message: RegExp][] = [
  [undefined, 'schedule', /schedule is missing/],
  ['0 9 * * *', 'schedule', /must be an object, not "0 9/],
  [{}, 'schedule', /has none of at, in, cron, every, fixedDelay, after or on; exactly one/],
  [{ timezone: 'UTC' }, 'schedule', /exactly one/],
  [{ cron: '0 9 * * *', every: '5m' }, 'schedule', /has cron and every; exactly one/],
  [{ croon: '0 9 * * *' }, 'schedule.croon', /did you mean cron\?/],
  [{ delay: '5m' }, 'schedule.delay', /did you mean in or fixedDelay\?/],
  [{ after: [] }, 'schedule.after', /list of 1 to 20 upstreams/],
  [{ after: 'a' }, 'schedule.after', /list of 1 to 20 upstreams/],
  [{ after: Array.from({ length: 21 }, (_, n) => ({ job: `a${n}` })) }, 'schedule.after', /1 to 20/],
  [{ after: ['a'] }, 'schedule.after[0]', /must be an object/],
  [{ after: [{ job: 'a' }, { job: 'a', when: 'always' }] }, 'schedule.after[1].job', /names a a second time/],
  [{ after: [{ job: 'a', when: 'done' }] }, 'schedule.after[0].when', /success, failure or always/],
  [{ after: [{ job: 'a/b' }] }, 'schedule.after[0].job', /letters, digits/],
  [{ after: [{ job: 'a' }], jitter: '5s' }, 'schedule.jitter', /a chain \(after\) has none/],
  [{ after: [{ job: 'a' }], exclude: ['2026-12-25'] }, 'schedule.exclude', /a chain/],
  [{ after: [{ job: 'a' }], in: '5m' }, 'schedule', /has in and after; exactly one/],
  [{ on: 'user signup' }, 'schedule.on', /1 to 200 letters/],
  [{ on: 'a', every: '5m' }, 'schedule', /has every and on; exactly one/],
  [{ on: 'a', filter: 'event.x >' }, 'schedule.filter', /filter is not valid at character 10: /],
  [{ on: 'a', wait: '-1s' }, 'schedule.wait', /must be a duration/],
  [{ on: 'a', jitter: '1s' }, 'schedule.jitter', /an event comes when it comes/],
  [{ every: '5m', filter: 'true' }, 'schedule.filter', /belongs to on/],
  [{ every: '5m', wait: '5m' }, 'schedule.wait', /belongs to on/],
  [{ at: 1796115600000 }, 'schedule.at', /ISO 8601 time.*not 1796115600000/],
  [{ at: '2026-12-01T09:00:00' }, 'schedule.at', /needs an offset/],
  [{ at: '2026-02-30T09:00:00Z' }, 'schedule.at', /does not exist/],
  [{ in: '-5m' }, 'schedule.in', /must be a duration.*not "-5m"/],
  [{ every: '999ms' }, 'schedule.every', /at least 1s/],
  [{ fixedDelay: '0s' }, 'schedule.fixedDelay', /at least 1ms/],
  [{ cron: '0 9 * *' }, 'schedule.cron', /is not valid: .*5 fields/],
  [{ cron: '0 25 * * *' }, 'schedule.cron', /is not valid/],
  [{ cron: '*'.repeat(501) }, 'schedule.cron', /longer than 500/],
  [{ cron: 5 }, 'schedule.cron', /must be a cron expression/],
  [{ cron: '0 9 * * *', timezone: 'Europe/Pariss' }, 'schedule.timezone', /unknown time zone \(Europe\/Pariss\)/],
  [{ cron: '0 9 * * *', timezone: '+02:00' }, 'schedule.timezone', /unknown time zone/],
  [{ cron: '0 9 * * *', timezone: '' }, 'schedule.timezone', /unknown time zone/],
  [{ cron: '0 9 * * *', dst: { gap: 'once' } }, 'schedule.dst.gap', /shift or skip/],
  [{ every: '5m', dst: {} }, 'schedule.dst', /belongs to cron/],
  [{ every: '5m', timezone: 'Europe/Paris' }, 'schedule.timezone', /without exclude/],
  [{ fixedDelay: '5m', timezone: 'Europe/Paris', exclude: [] }, 'schedule.timezone', /without exclude/],
  [{ every: '5m', startAt: at, endAt: at }, 'schedule.endAt', /not later than startAt/],
  [{ every: '5m', startAt: 'now' }, 'schedule.startAt', /ISO 8601/],
  [{ every: '5m', exclude: ['2026-02-30'] }, 'schedule.exclude[0]', /day that exists/],
  [{ every: '5m', exclude: ['2026-12-25', '2026-12-27/2026-12-24'] }, 'schedule.exclude[1]', /in order/],
  [{ every: '5m', exclude: ['2026-12-25/2026-12-26/2026-12-27'] }, 'schedule.exclude[0]', /day/],
  [{ every: '5m', exclude: [null] }, 'schedule.exclude[0]', /day/],
  [{ every: '5m', exclude: '2026-12-25' }, 'schedule.exclude', /list of days/],
  [{ every: '5m', jitter: '5' }, 'schedule.jitter', /duration/],
  [
    { every: '5m', jitter: '5m' },
    'schedule.jitter',
    /shorter than the interval \(5m\) unless overlap is allow, not "5m"/,
  ],
  [{ cron: '0 9,10 * * MON', jitter: '1h' }, 'schedule.jitter', /shortest interval of the cron \(1h\)/],
  [{ cron: '*/90 * * * *' }, 'schedule.cron', /is not valid: minute field .*write \{ "every": "90m" \} instead/],
  [{ every: '5m', maxRuns: 0 }, 'schedule.maxRuns', /whole number from 1 up, not 0/],
  ...(['at', 'in'] as const).flatMap((kind): [unknown, string, RegExp][] => {
    const oneShot = kind === 'at' ? { at } : { in: '5m' };
    const extras = { startAt: at, endAt: at, exclude: ['2026-12-25'], jitter: '5s', maxRuns: 3, timezone: 'UTC' };
    return [
      ...Object.entries(extras).map(([key, value]): [unknown, string, RegExp] => [
        { ...oneShot, [key]: value },
        `schedule.${key}`,
        /one-shot/,
      ]),
      [{ ...oneShot, dst: {} }, 'schedule.dst', /belongs to cron/],
    ];
  }),
];

describe('a schedule', () => {
  for (const [schedule, field, message] of BAD) {
    it(`is refused when it is ${JSON.stringify(schedule)?.slice(0, 70)}`, () => {
      const rejection = refusalOf(jobWith({ schedule }));
      assert.equal(rejection.field, field);
      assert.match(rejection.message, message);
    });
  }

  it('takes aliases and any case for time zones, as the time zone database does', () => {
    for (const timezone of ['UTC', 'Asia/Calcutta', 'Asia/Kolkata', 'europe/paris', 'Etc/GMT-2']) {
      const { schedule } = specOf(jobWith({ schedule: { cron: '0 9 * * *', timezone } }));
      assert.equal('timezone' in schedule && schedule.timezone, timezone);
    }
  });

  it('takes a jitter as long as the interval where runs may overlap, or where the next one waits for an end', () => {
    for (const job of [
      { schedule: { every: '5m', jitter: '10m' }, overlap: 'allow' },
      { schedule: { every: '5m', jitter: '4m59s999ms' } },
      { schedule: { cron: '0 9 * * *', jitter: '23h' } },
      { schedule: { fixedDelay: '1s', jitter: '5m' } },
    ])
      specOf(jobWith(job));
  });
});
