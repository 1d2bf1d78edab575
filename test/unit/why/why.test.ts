/** Each answer of `belfry why`, by what is known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppliedCommand, Job, JobSpec, Schedule } from '../../../services/core/model.ts';
import { scheduledRunId } from '../../../services/core/occurrences/of-job.ts';
import type { Circumstances, Facts, Verdict } from '../../../services/core/why/facts.ts';
import { tell } from '../../../services/core/why/why.ts';
import { detail, job, NOW, run, RUN_ID } from '../cli/support.ts';
import { cron, every, fixedDelay, HOUR, MINUTE } from '../occurrences/schedules.ts';

const SECOND = 1_000;
const HISTORY_FROM = NOW - 48 * HOUR;
const APPLIED: AppliedCommand = { type: 'schedule', commandId: 'c-1', at: NOW - HOUR, offset: '120' };
const EXECUTOR = { worker: 'host:2', handlers: ['greet'], free: 3 };

function jobOf(schedule: Schedule, fields: Partial<Job> = {}, spec: Partial<JobSpec> = {}): Job {
  const made = job({ anchorAt: NOW - HOUR, createdAt: NOW - HOUR, appliedCommands: [APPLIED], ...fields });
  return { ...made, spec: { ...made.spec, schedule, ...spec } };
}

function facts(fields: Partial<Facts>, around: Partial<Circumstances> = {}): Facts {
  const circumstances: Circumstances = {
    ...{ now: NOW, owner: 'host:1', unproduced: 0, oldestTimerAt: null, timers: [], parked: null },
    ...{ executors: [EXECUTOR], historyFrom: HISTORY_FROM, arrived: [] },
    ...around,
  };
  return {
    ...{ tenant: 'default', jobId: 'report', at: NOW, job: undefined, run: undefined, group: undefined },
    ...{ circumstances, refused: undefined, commandsTopic: 'job.commands' },
    ...fields,
  };
}

const hourly = every(HOUR);
/** Its occurrences: NOW, NOW + 1 h, ... */
const open = jobOf(hourly, { nextAt: NOW + HOUR, nextFireAt: NOW + HOUR });
const undecided = jobOf(hourly, { nextAt: NOW, nextFireAt: NOW });
const untracked = jobOf(hourly, { nextAt: NOW + HOUR, nextFireAt: NOW + HOUR }, { overlap: 'allow' });
const active = { ...open, active: [{ runId: scheduledRunId(open, NOW), since: NOW }] };
const refused = { at: NOW - MINUTE, place: '3-17', code: 'invalid', message: 'no' };
const chain: Schedule = {
  ...(hourly as Extract<Schedule, { kind: 'every' }>),
  ...{
    kind: 'after',
    after: [
      { jobId: 'extract', when: 'success' },
      { jobId: 'load', when: 'always' },
    ],
  },
};
const listener = {
  ...(hourly as object),
  kind: 'on',
  event: 'user.signup',
  filter: 'event.plan == "pro"',
  waitMs: 0,
} as Schedule;

type Case = [asked: string, facts: Facts, verdict: Verdict, answer: RegExp, advice?: RegExp];

const CASES: Case[] = [
  [
    'a run that ended well',
    facts({ run: detail({ status: 'COMPLETED', error: null, attempt: 1 }) }),
    'completed',
    /^it ran, in 12ms$/,
  ],
  [
    'one that failed',
    facts({ run: detail() }),
    'failed',
    /at attempt 4: timeout: too slow/,
    /belfry dlq replay 019b7a5c/,
  ],
  [
    'one that waits for its next attempt',
    facts({ run: detail({ status: 'RETRYING', finishedAt: null, retryAt: NOW + 3 * SECOND }) }),
    'retrying',
    /attempt 4, which is due in 3s/,
  ],
  [
    'one under way',
    facts({ run: detail({ status: 'RUNNING', finishedAt: null, worker: 'host:2' }), job: open }),
    'running',
    /^it runs for 59s on host:2$/,
  ],
  [
    'one whose worker is gone',
    facts({ run: detail({ status: 'RUNNING', finishedAt: null, worker: 'host:9' }), job: open }),
    'running',
    /lease is gone/,
  ],
  [
    'one that was cancelled',
    facts({ run: detail({ status: 'CANCELLED', startedAt: null, error: { code: 'cancelled', message: 'm' } }) }),
    'cancelled',
    /before it started/,
  ],
  ['one handed back', facts({ run: detail({ status: 'ENQUEUED' }), job: open }), 'starting', /on its way/],
  [
    'one skipped for an overlap',
    facts({ run: detail({ status: 'SKIPPED', reason: 'overlap', error: null }), job: open }),
    'skipped',
    /still going, and the job's overlap policy is skip/,
    /buffer_one/,
  ],
  [
    'one missed',
    facts({
      run: detail({ status: 'SKIPPED', reason: 'missed', scheduledFor: NOW - HOUR, finishedAt: NOW }),
      job: open,
    }),
    'skipped',
    /1h late .*runs only the latest/,
    /jobs backfill report --from 2026-01-01T11:00:00.000Z --to 2026-01-01T11:00:00.001Z/,
  ],
  [
    'one of a pause',
    facts({ run: detail({ status: 'SKIPPED', reason: 'paused' }), job: open }),
    'skipped',
    /paused when its time came/,
  ],
  [
    'an excluded one',
    facts({
      run: detail({ status: 'SKIPPED', reason: 'excluded' }),
      job: jobOf(every(HOUR, { exclude: ['2026-01-01'] })),
    }),
    'skipped',
    /excluded by the schedule \(2026-01-01, UTC\)/,
  ],
  [
    'one whose upstream failed',
    facts({ run: detail({ status: 'SKIPPED', reason: 'upstream', cause: RUN_ID }), job: open }),
    'skipped',
    /ended otherwise than the chain wants: 019b7a5c/,
    /replay it/,
  ],
  [
    'one beyond a quota',
    facts({ run: detail({ status: 'SKIPPED', reason: 'quota' }), job: open }),
    'skipped',
    /quota/,
    /tenants show/,
  ],
  [
    'one of a group',
    facts({
      group: run({ status: 'SKIPPED', reason: 'missed', error: null, count: 5, from: NOW - HOUR, to: NOW }),
      job: open,
    }),
    'skipped',
    /late/,
  ],

  [
    'an occurrence that waits for a concurrency key',
    facts(
      { job: active },
      { parked: { kind: 'waiting', since: NOW - MINUTE, limit: 'key/default/customer-42', most: 3 } },
    ),
    'waits_for_limit',
    /the concurrency key customer-42, of which 3 .*since 1m/,
  ],
  [
    'one that waits for the quota of its tenant',
    facts({ job: active }, { parked: { kind: 'waiting', since: NOW, limit: 'tenant/default', most: 5 } }),
    'waits_for_limit',
    /quota of 5 concurrent runs/,
  ],
  [
    'one without an executor',
    facts({ job: active }, { executors: [] }),
    'waits_for_executor',
    /no executor of the queue default is alive/,
    /belfry executor --queue default/,
  ],
  [
    'one whose handler nobody has',
    facts({ job: active }, { executors: [{ ...EXECUTOR, handlers: ['other'] }] }),
    'waits_for_executor',
    /none of the executors .*\(host:2\) has greet/,
    /handler_not_found/,
  ],
  [
    'one behind others',
    facts({ job: active }, { executors: [{ ...EXECUTOR, free: 0 }] }),
    'waits_for_executor',
    /all slots/,
  ],
  [
    'one that Kafka does not have yet',
    facts(
      { job: { ...active, active: [{ runId: scheduledRunId(open, NOW), since: NOW - MINUTE }] } },
      { unproduced: 2 },
    ),
    'waits_for_kafka',
    /2 batches/,
    /belfry doctor/,
  ],
  ['one just handed on', facts({ job: active }, { unproduced: 2 }), 'starting', /on its way/],
  [
    'one of a job that nobody tracks',
    facts({ job: untracked }, { executors: [] }),
    'waits_for_executor',
    /no executor/,
  ],
  [
    'one behind the run before it',
    facts({
      job: jobOf(
        hourly,
        {
          buffered: [
            {
              runId: scheduledRunId(open, NOW),
              scheduledFor: NOW,
              origin: { trigger: 'schedule', cause: '', replayOf: null },
            },
          ],
          active: [{ runId: RUN_ID, since: NOW }],
        },
        { overlap: 'buffer_one' },
      ),
    }),
    'waits_for_turn',
    /overlap: buffer_one\): 019b7a5c/,
  ],

  ['one that is not due', facts({ job: open, at: NOW + HOUR }), 'not_due', /in 1h, at 2026-01-01T13:00:00.000Z/],
  [
    'one that jitter moves',
    facts({ job: jobOf(hourly, { nextAt: NOW + HOUR, nextFireAt: NOW + HOUR + 7 * SECOND }), at: NOW + HOUR }),
    'not_due',
    /7s after its time \(jitter\)/,
  ],
  ['a later one', facts({ job: open, at: NOW + 3 * HOUR }), 'not_due', /comes in 3h/],
  [
    'a later one of a few',
    facts({ job: jobOf(every(HOUR, { maxRuns: 9 }), { nextAt: NOW + HOUR, runCount: 7 }), at: NOW + 2 * HOUR }),
    'not_due',
    /2 of 9 runs are left/,
  ],
  [
    'one of a day that is excluded',
    facts({ job: jobOf(every(HOUR, { exclude: ['2026-01-02'] }), { nextAt: NOW + HOUR }), at: NOW + 12 * HOUR }),
    'not_due',
    /will be SKIPPED/,
  ],
  ['one that is being decided', facts({ job: undecided }), 'deciding', /being decided/],
  [
    'one that no timer decides',
    facts({ job: { ...undecided, nextFireAt: NOW - MINUTE }, at: NOW }, { oldestTimerAt: NOW - MINUTE }),
    'overdue',
    /overdue by 1m: no timer does the work of partition 0.*last owner was host:1/,
    /belfry timer/,
  ],
  [
    'one of a job whose partition nobody ever had',
    facts({ job: { ...undecided, nextFireAt: NOW - MINUTE } }, { owner: '' }),
    'overdue',
    /nobody ever owned it/,
  ],
  [
    'one of a paused job',
    facts({ job: { ...undecided, state: 'PAUSED', nextFireAt: null, pausedAt: NOW - MINUTE } }),
    'paused',
    /paused since 2026-01-01T11:59:00.000Z \(1m\)/,
    /jobs resume report/,
  ],
  [
    'an event that is waited out',
    facts(
      { job: jobOf(listener, { nextAt: null }), at: NOW + MINUTE },
      { timers: [{ runId: RUN_ID, kind: 'run', fireAt: NOW + MINUTE }] },
    ),
    'not_due',
    /waits for its time, in 1m/,
  ],

  [
    'what comes next of a chain',
    facts({ at: null, job: jobOf(chain, { nextAt: null }) }, { arrived: ['load'] }),
    'waits_for_upstream',
    /a run of extract \(success\) to end; load has ended/,
    /belfry why extract/,
  ],
  [
    'what comes next of a job that listens',
    facts({ at: null, job: jobOf(listener, { nextAt: null }) }),
    'waits_for_event',
    /event user.signup that passes the filter event.plan == "pro"/,
    /events emit user.signup/,
  ],
  [
    'what comes next of a fixed delay',
    facts({ at: null, job: jobOf(fixedDelay(HOUR), { nextAt: null, active: [{ runId: RUN_ID, since: NOW }] }) }),
    'waits_for_run',
    /when the run under way \(019b7a5c/,
  ],
  [
    'what comes next of a finished job',
    facts({ at: null, job: jobOf(every(HOUR, { maxRuns: 7 }), { nextAt: null, state: 'FINISHED' }) }),
    'over',
    /had its 7 runs/,
  ],
  [
    'what comes next of a cancelled job',
    facts({ at: null, job: jobOf(hourly, { nextAt: null, state: 'CANCELLED' }) }),
    'over',
    /was cancelled/,
  ],
  [
    'a time of a chain',
    facts({ job: jobOf(chain, { nextAt: null }) }),
    'waits_for_upstream',
    /nothing is planned for that time: it runs after others/,
  ],

  [
    'a time between occurrences',
    facts({ job: open, at: NOW + MINUTE }),
    'never',
    /nearest are 2026-01-01T12:00:00.000Z and 2026-01-01T13:00:00.000Z/,
    /--at 2026-01-01T12:00/,
  ],
  [
    'another time than the one of a one-shot',
    facts({ job: jobOf({ kind: 'at', at: NOW + HOUR }, { nextAt: NOW + HOUR }) }),
    'never',
    /runs once, at 2026-01-01T13:00:00.000Z/,
  ],
  [
    'a time before startAt',
    facts({ job: jobOf(cron('0 * * * *', 'UTC', { startAt: NOW + HOUR })) }),
    'before_start',
    /begins at 2026-01-01T13/,
  ],
  [
    'a time after endAt',
    facts({ job: jobOf(cron('0 * * * *', 'UTC', { endAt: NOW - MINUTE })) }),
    'after_end',
    /ended at 2026-01-01T11:59/,
  ],
  [
    'a time before the job had its schedule',
    facts({ job: open, at: NOW - 2 * HOUR }),
    'before_schedule',
    /only since 2026-01-01T11:00:00.000Z \(1h ago\)/,
    /jobs backfill/,
  ],
  [
    'a time that history has forgotten',
    facts({ job: { ...open, createdAt: NOW - 99 * HOUR }, at: NOW - 72 * HOUR }),
    'history_gone',
    /is forgotten/,
  ],
  ['a job that there never was', facts({}), 'unknown_job', /there is no job report of the tenant default/],
  ['a job whose command was refused', facts({ refused }), 'refused', /refused: invalid: no/, /rejected show 3-17/],
];

for (const [asked, known, verdict, answer, advice] of CASES) {
  test(`${asked}: ${verdict}`, () => {
    const story = tell(known);
    assert.equal(story.verdict, verdict, story.answer);
    assert.match(story.answer, answer);
    if (advice !== undefined) assert.match(story.advice ?? '', advice);
  });
}

const texts = (known: Facts): string[] => tell(known).lines.map(({ what, text }) => `${what} ${text}`);

test('the story begins with the command that made the job what it is, and where it stands', () => {
  assert.equal(
    texts(facts({ job: open, at: NOW + HOUR }))[0],
    'accepted version 3 of the job, by command c-1 (job.commands, partition 0, offset 120)',
  );
  const enqueued = { ...open, appliedCommands: [{ ...APPLIED, offset: null }] };
  assert.match(texts(facts({ job: enqueued }))[0]!, /by command c-1 \(enqueued in a transaction\)$/);
  const formerly = facts({ job: open, run: detail({ jobVersion: 2 }) });
  assert.match(texts(formerly)[0]!, /version 2 of the job, which is at version 3 by now/);
});

test('who paused a job is told by the command', () => {
  const pause: AppliedCommand = { type: 'pause', commandId: 'c-2', at: NOW - MINUTE, offset: '121' };
  const paused: Job = { ...undecided, state: 'PAUSED', pausedAt: pause.at, appliedCommands: [APPLIED, pause] };
  assert.match(texts(facts({ job: paused }))[1]!, /^pause by command c-2/);
});

test('a run tells its attempts, its end and what repeats it', () => {
  const failure = {
    attempt: 1,
    startedAt: NOW,
    finishedAt: NOW,
    worker: 'host:1',
    error: { code: 'handler_error', message: 'oh' },
  };
  const due = { failures: [failure] } as unknown as NonNullable<Facts['run']>['due'];
  const told = texts(facts({ run: detail({ due, lost: 1, replays: [{ runId: 'r2', status: 'COMPLETED' }] }) }));
  assert.deepEqual(told.slice(1), [
    'attempt attempt 1 on host:1 failed: handler_error: oh',
    'lost 1 attempt with their worker',
    'started attempt 4 on host:1',
    'ended FAILED, timeout: too slow',
    'replayed as r2: COMPLETED',
  ]);
});

test('a refused command is told beside a time that is none', () => {
  assert.ok(
    texts(facts({ job: open, at: NOW + MINUTE, refused })).some((text) =>
      text.startsWith('refused a command for it (3-17)'),
    ),
  );
});
