/** A job that is scheduled again in the same rhythm goes on where it was. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job } from '../../../services/core/model.ts';
import { applyCommand } from '../../../services/timer/apply-command.ts';
import { applyCompletion } from '../../../services/timer/completion.ts';
import { scheduledRun } from '../../../services/timer/due-record.ts';
import { fireOccurrence } from '../../../services/timer/fire.ts';
import { apply, context, every, hourly, HOUR, later, NOW, schedule } from './deciding.ts';

const MINUTE = 60_000;
const iso = (ms: number): string => new Date(ms).toISOString();
const openEnd = { endAt: iso(NOW + 100 * HOUR) };

describe('A schedule whose bounds alone change', () => {
  // Half an hour after its first run, of three.
  const begun = later(hourly(), { runCount: 3, nextAt: NOW + 30 * MINUTE, nextFireAt: NOW + 30 * MINUTE });
  const job: Job = { ...begun, anchorAt: NOW - 30 * MINUTE, updatedAt: NOW - 30 * MINUTE };
  for (const bounds of [{ exclude: ['2026-02-01'] }, openEnd, { maxRuns: 9 }, { jitter: '1m' }]) {
    it(`keeps phase, next occurrence and run count: ${Object.keys(bounds)[0]}`, () => {
      const zone = 'exclude' in bounds ? { timezone: 'UTC' } : {};
      const after = apply(job, schedule({ ...every, ...bounds, ...zone }));
      assert.deepEqual(
        [after.state, after.version, after.anchorAt, after.nextAt, after.runCount],
        ['SCHEDULED', 2, job.anchorAt, job.nextAt, 3],
      );
      assert.ok(after.nextFireAt! >= job.nextAt! && after.nextFireAt! < job.nextAt! + MINUTE);
    });
  }

  it('keeps the phase of a cron whose dst changes, and finds an occurrence that comes up with it', () => {
    const now = Date.UTC(2027, 2, 28, 0, 30);
    const cron = { cron: '30 2 * * *', timezone: 'Europe/Paris' };
    const skips = apply(undefined, schedule({ ...cron, dst: { gap: 'skip' } }), { now });
    const shifts = apply({ ...skips, runCount: 4 }, schedule({ ...cron, dst: { gap: 'shift' } }), { now });
    assert.deepEqual([skips.nextAt, shifts.nextAt], [Date.UTC(2027, 2, 29, 0, 30), Date.UTC(2027, 2, 28, 1, 30)]);
    assert.equal(shifts.runCount, 4);
  });

  it('is FINISHED when it had as many runs already as it may have now', () => {
    const after = apply(job, schedule({ ...every, maxRuns: 2 }));
    assert.deepEqual([after.state, after.nextAt, after.runCount], ['FINISHED', null, 3]);
  });

  it('goes on from now when it was over and may have more runs', () => {
    const over = later(job, { state: 'FINISHED', nextAt: null, nextFireAt: null });
    const after = apply(over, schedule({ ...every, maxRuns: 5 }));
    assert.deepEqual([after.state, after.nextAt, after.runCount], ['SCHEDULED', NOW + 30 * MINUTE, 3]);
    assert.equal(after.appliedCommands?.[0]?.since, undefined);
  });

  it('is refused when the new end leaves no occurrence', () => {
    const applied = applyCommand(job, schedule({ ...every, endAt: iso(NOW + MINUTE) }), context());
    assert.equal(applied.outcome === 'rejected' && applied.rejection.code, 'never_fires');
  });

  it('gives no second run to an occurrence that was decided a little ahead of its time', () => {
    const fired = fireOccurrence(job, context({ now: NOW + 30 * MINUTE })).job!;
    const after = apply({ ...fired, active: [] }, schedule({ ...every, maxRuns: 9 }), { now: NOW + 30 * MINUTE - 40 });
    assert.deepEqual([after.nextAt, after.runCount], [NOW + 90 * MINUTE, 4]);
  });

  it('keeps a start that its jitter holds back', () => {
    const jittered = apply(undefined, schedule({ ...every, jitter: '30m' }));
    const held: Job = { ...jittered, nextAt: NOW - MINUTE, nextFireAt: NOW + MINUTE, anchorAt: NOW - HOUR - MINUTE };
    // Whether it is still held back is for the new jitter to say; that it is not passed over is what counts.
    const after = apply(held, schedule({ ...every, jitter: '40m', ...openEnd }), { now: NOW - MINUTE + 1 });
    assert.ok(after.nextAt === NOW - MINUTE || after.active.length === 1, `next at ${iso(after.nextAt!)}`);
  });

  it('stays paused', () => {
    const paused = later(job, { state: 'PAUSED', nextFireAt: null, pausedAt: NOW });
    const after = apply(paused, schedule({ ...every, maxRuns: 9 }));
    assert.deepEqual([after.state, after.nextAt, after.nextFireAt], ['PAUSED', NOW + 30 * MINUTE, null]);
  });

  it('keeps what a chain has heard of, and the runs of events that wait', () => {
    for (const when of [{ after: [{ job: 'a' }] }, { on: 'signup' }]) {
      const made = apply(undefined, schedule(when));
      const after = apply({ ...made, runCount: 1 }, schedule({ ...when, maxRuns: 3, ...openEnd }), { now: NOW + HOUR });
      assert.deepEqual([after.state, after.anchorAt, after.runCount], ['SCHEDULED', made.anchorAt, 1]);
    }
  });
});

describe('Another rhythm', () => {
  for (const when of [{ every: '2h' }, { every: '1h', startAt: iso(NOW + MINUTE) }, { cron: '0 * * * *' }]) {
    it(`begins anew: ${JSON.stringify(when)}`, () => {
      assert.equal(apply(later(hourly(), { runCount: 3 }), schedule(when)).runCount, 0);
    });
  }
});

describe('What has ended and is scheduled again', () => {
  const at = { at: iso(NOW - HOUR) };

  it('is FINISHED, and says so, when it is the same one-shot', () => {
    const made = apply(undefined, schedule(at), { now: NOW - 2 * HOUR });
    const over = fireOccurrence(made, context({ now: NOW - HOUR })).job!;
    const after = apply(over, schedule(at, { payload: 'other' }));
    assert.deepEqual([after.state, after.nextAt, after.nextFireAt, after.version], ['FINISHED', null, null, 2]);
  });

  it('is FINISHED at once when a one-shot comes back to the time of a run that it had', () => {
    const other = apply(undefined, schedule({ at: iso(NOW + HOUR) }));
    const existing = new Set([scheduledRun(other, NOW - HOUR).runId]);
    for (const job of [other, later(other, { state: 'CANCELLED', nextAt: null, nextFireAt: null })]) {
      const after = apply(job, schedule(at), { existing });
      assert.deepEqual([after.state, after.nextAt, after.nextFireAt], ['FINISHED', null, null]);
    }
  });

  it('is FINISHED when its maxRuns are reached', () => {
    const three = { ...every, maxRuns: 3 };
    const made = apply(undefined, schedule(three));
    const over = later(made, { state: 'FINISHED', nextAt: null, nextFireAt: null, runCount: 3 });
    const after = apply(over, schedule(three, { payload: 'other' }), { now: NOW + 9 * HOUR });
    assert.deepEqual([after.state, after.nextAt, after.runCount], ['FINISHED', null, 3]);
  });
});

describe('A fixed delay that changes', () => {
  const made = apply(undefined, schedule({ fixedDelay: '5m' }));
  const active: Job = { ...made, nextAt: null, nextFireAt: null, active: [{ runId: 'a', since: NOW }] };

  it('counts from the end of the run under way', () => {
    const changed = apply(active, schedule({ fixedDelay: '10m' }), { now: NOW + MINUTE });
    assert.deepEqual([changed.state, changed.nextAt], ['SCHEDULED', null]);
    const { job } = applyCompletion(changed, { runId: 'a', finishedAt: NOW + 3 * MINUTE }, context());
    assert.equal(job?.nextAt, NOW + 13 * MINUTE);
  });

  it('counts from now where no run is under way', () => {
    assert.equal(
      apply({ ...active, active: [], nextAt: NOW + MINUTE }, schedule({ fixedDelay: '10m' })).nextAt,
      NOW + 10 * MINUTE,
    );
  });

  it('begins at its startAt where that is still to come', () => {
    const when = { fixedDelay: '10m', startAt: iso(NOW + HOUR) };
    assert.equal(apply(active, schedule(when)).nextAt, NOW + HOUR);
  });
});
