import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { brokenBounds, gapsOf, uncleanStops } from '../../chaos/failover.ts';
import type { Struck } from '../../chaos/faults.ts';
import type { Call, History } from '../../checker/history.ts';
import { call, kept, T0 } from '../checker/histories.ts';

const BEATS = ['beat-0', 'beat-1'];

/** Beats of both partitions, each second for a minute, begun so late. */
function beating(lateMs: (partition: number, scheduledFor: number) => number, more: readonly Call[] = []): History {
  const calls = BEATS.flatMap((jobId, partition) =>
    Array.from({ length: 60 }, (_, second) => {
      const scheduledFor = T0 + second * 1_000;
      const startedAt = scheduledFor + lateMs(partition, scheduledFor);
      return call(`${jobId} ${second}`, 0, {
        job: `default/${jobId}`,
        scheduledFor,
        startedAt,
        endedAt: startedAt + 5,
      });
    }),
  );
  return kept({ calls: [...calls, ...more] });
}

function struck(kind: Struck['kind'], changes: Partial<Struck> = {}): Struck {
  return { kind, node: 'timer-1', at: T0 + 10_500, until: T0 + 20_500, partitions: [1], stops: [], ...changes };
}

/** Partition 1 fires nothing from 10.5 s until then. */
const silentUntil = (end: number) => (partition: number, at: number) =>
  partition === 1 && at > T0 + 10_500 && at < T0 + end ? T0 + end - at + 20 : 20;

describe('how long a fault of a chaos run is felt', () => {
  it('of a dead timer: until its partitions fire again', () => {
    const gaps = gapsOf(beating(silentUntil(16_700)), [struck('kill-timer')], BEATS);
    assert.deepEqual(
      gaps.map(({ gapMs, boundMs }) => ({ gapMs, boundMs })),
      [{ gapMs: 6_220, boundMs: 10_020 }],
    );
    assert.deepEqual(brokenBounds(gaps), []);
  });

  it('more than is promised is told', () => {
    const gaps = gapsOf(beating(silentUntil(21_000)), [struck('kill-timer')], BEATS);
    assert.match(brokenBounds(gaps).join(), /kill-timer of timer-1 .* a gap of 10520 ms, 10020 ms at the most/);
  });

  it('nothing is promised for a fault during which another one struck', () => {
    const both = [struck('kill-timer'), struck('kafka-killed', { node: null, at: T0 + 22_000, until: T0 + 25_000 })];
    assert.deepEqual(brokenBounds(gapsOf(beating(silentUntil(21_000)), both, BEATS)), []);
  });

  it('of a dead executor: until others have called its runs again', () => {
    const calls = [
      call('held', 0, { node: 'executor-1', startedAt: T0 + 9_000, endedAt: T0 + 10_500, end: 'killed' }),
      call('held', 0, { node: 'executor-2', startedAt: T0 + 23_000, endedAt: T0 + 24_000 }),
    ];
    const fault = struck('kill-executor', { node: 'executor-1', partitions: [] });
    const gaps = gapsOf(
      beating(() => 20, calls),
      [fault],
      BEATS,
    );
    assert.equal(gaps[0]?.gapMs, 12_500);
    assert.equal(brokenBounds(gaps).length, 1);
  });

  it('of a clean stop: how late its partitions were, beyond what is usual', () => {
    const stop = { node: 'timer-1', at: T0 + 10_500, until: T0 + 10_700, partitions: [1], code: 0 };
    const fault = struck('roll-timers', { node: null, stops: [stop] });
    assert.deepEqual(brokenBounds(gapsOf(beating(silentUntil(11_900)), [fault], BEATS)), []);
    assert.equal(brokenBounds(gapsOf(beating(silentUntil(12_500)), [fault], BEATS)).length, 1);
    assert.deepEqual(uncleanStops([fault]), []);
    assert.deepEqual(uncleanStops([{ ...fault, stops: [{ ...stop, code: 1 }] }]), [
      'timer-1 was stopped by SIGTERM and ended with 1',
    ]);
  });
});
