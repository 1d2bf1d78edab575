/** What came due before a job was changed or cancelled has a run, or a row that says why not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job } from '../../../services/core/model.ts';
import type { Effects } from '../../../services/timer/effects.ts';
import { applyCommand } from '../../../services/timer/apply-command.ts';
import { apply, command, context, effectsOf, HOUR, NOW, schedule } from './deciding.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const cancel = command({ type: 'cancel' });
const pause = command({ type: 'pause' });

const at = (job: Job, what: ReturnType<typeof command>, now: number): Effects =>
  effectsOf(applyCommand(job, what, context({ now })));

/** The rows that were written, and the runs that began, in hours since NOW. */
function decided({ ended, dues }: Effects): string[] {
  const rows = ended.map(({ run: { outcome } }) => {
    const { scheduledFor, status, reason, count } = outcome;
    return `${(scheduledFor - NOW) / HOUR} ${status} ${reason ?? ''}${count === null ? '' : ` ${count}`}`.trim();
  });
  const runs = dues.map(
    ({ due }) => `${((JSON.parse(due) as { scheduledFor: number }).scheduledFor - NOW) / HOUR} run`,
  );
  return [...rows, ...runs];
}

describe('Occurrences that passed while a job was paused', () => {
  const paused = apply(apply(undefined, schedule({ every: '1h' })), pause);

  it('are SKIPPED (paused) when it gets another schedule', () => {
    const effects = at(paused, schedule({ every: '2h' }), NOW + 2.5 * HOUR);
    assert.deepEqual(decided(effects), ['1 SKIPPED paused', '2 SKIPPED paused']);
    assert.deepEqual([effects.job?.state, effects.job?.nextAt], ['PAUSED', NOW + 4.5 * HOUR]);
  });

  it('are SKIPPED (paused) when its bounds change', () => {
    const effects = at(paused, schedule({ every: '1h', endAt: iso(NOW + 9 * HOUR) }), NOW + 2.5 * HOUR);
    assert.deepEqual(decided(effects), ['1 SKIPPED paused', '2 SKIPPED paused']);
    assert.equal(effects.job?.nextAt, NOW + 3 * HOUR);
  });

  it('are SKIPPED (paused) when it is cancelled', () => {
    assert.deepEqual(decided(at(paused, cancel, NOW + 2.5 * HOUR)), ['1 SKIPPED paused', '2 SKIPPED paused']);
  });

  it('wait for the resume when nothing of the schedule changes', () => {
    const effects = at(paused, schedule({ every: '1h' }, { payload: 2 }), NOW + 2.5 * HOUR);
    assert.deepEqual([decided(effects), effects.job?.nextAt], [[], NOW + HOUR]);
  });

  it('share a row beyond a thousand, however many they are', () => {
    const effects = at(paused, cancel, NOW + 3_000_000 * HOUR);
    assert.equal(effects.ended.length, 1_001);
    assert.equal(effects.ended[0]!.run.outcome.count, 3_000_000 - 1_000);
  });

  it('are one of a one-shot: SKIPPED (paused) when it is moved or cancelled', () => {
    const once = apply(apply(undefined, schedule({ in: '1h' })), pause);
    for (const what of [cancel, schedule({ in: '2h' })])
      assert.deepEqual(decided(at(once, what, NOW + 2 * HOUR)), ['1 SKIPPED paused']);
  });
});

describe('Occurrences that passed while no timer was there', () => {
  const hourly = apply(undefined, schedule({ every: '1h' }));

  it('are decided as under their own schedule when that is replaced', () => {
    const effects = at(hourly, schedule({ every: '2h' }, { missed: { policy: 'skip' } }), NOW + 2.5 * HOUR);
    assert.deepEqual(decided(effects), ['1 SKIPPED missed', '2 run']);
    assert.deepEqual([effects.job?.nextAt, effects.job?.runCount], [NOW + 4.5 * HOUR, 0]);
    assert.deepEqual(
      effects.addTimers.map(({ fireAt }) => fireAt),
      [NOW + 4.5 * HOUR],
    );
    assert.equal(effects.removeTimers.length, 1);
  });

  it('are one of a one-shot, which runs before it is moved', () => {
    const once = apply(undefined, schedule({ in: '1h' }));
    const effects = at(once, schedule({ in: '2h' }), NOW + 1.5 * HOUR);
    assert.deepEqual([decided(effects), effects.job?.nextAt], [['1 run'], NOW + 2 * HOUR]);
  });

  it('start no run when the job is cancelled: they end CANCELLED', () => {
    assert.deepEqual(decided(at(hourly, cancel, NOW + 2.5 * HOUR)), ['1 SKIPPED missed', '2 CANCELLED']);
    const once = apply(undefined, schedule({ in: '1h' }));
    assert.deepEqual(decided(at(once, cancel, NOW + 2 * HOUR)), ['1 CANCELLED']);
  });

  it('are bounded also where all of them are in time', () => {
    const missed = { threshold: '100d' };
    const eager = apply(undefined, schedule({ every: '1s' }, { overlap: 'allow', missed }));
    const effects = at(eager, schedule({ every: '1h' }), NOW + 24 * HOUR);
    assert.deepEqual([effects.dues.length, effects.ended.length], [1_000, 1_001]);
    assert.equal(effects.job?.nextAt, NOW + 25 * HOUR);
  });

  it('are none before their time has come', () => {
    assert.deepEqual(decided(at(hourly, cancel, NOW + HOUR - 1)), []);
  });
});
