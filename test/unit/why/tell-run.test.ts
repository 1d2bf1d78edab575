/** What `belfry why` answers of a run that has begun, or was skipped. */
import { detail, NOW, run, RUN_ID } from '../cli/support.ts';
import { every, HOUR } from '../occurrences/schedules.ts';
import { facts, jobOf, open, SECOND, tests } from './facts.ts';

tests([
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
]);
