/** What `belfry why` answers where nothing has run. */
import { scheduledRunId } from '../../../services/core/occurrences/of-job.ts';
import { NOW, RUN_ID } from '../cli/support.ts';
import { cron, every, fixedDelay, HOUR, MINUTE } from '../occurrences/schedules.ts';
import {
  active,
  chain,
  EXECUTOR,
  facts,
  hourly,
  jobOf,
  listener,
  open,
  refused,
  SECOND,
  tests,
  undecided,
  untracked,
} from './facts.ts';

tests([
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
  [
    'a job whose command waits for another',
    facts({ awaited: { until: NOW, missing: ['extract'] } }),
    'waits_for_upstream',
    /no job report yet: .* waits for extract/,
    /Schedule extract/,
  ],
  ['a job whose command was refused', facts({ refused }), 'refused', /refused: invalid: no/, /rejected show 3-17/],
]);
