/** What a timer does by the clock holds nothing up, and does not pile up. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryTimerStore } from '../../../services/adapters/memory/timer-store.ts';
import type { TimerStore } from '../../../services/core/ports/timer-store.ts';
import { OwnedPartition } from '../../../services/timer/owned.ts';
import { Sweep } from '../../../services/timer/sweep.ts';
import { override } from '../../simulation/override.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG } from '../cli/support.ts';

const never = <T>(): Promise<T> => new Promise<T>(() => {});

function sweepOf(changes: Partial<TimerStore>): { clock: VirtualClock; owned: OwnedPartition; sweep: Sweep } {
  const clock = new VirtualClock();
  const store = override<TimerStore>(
    new MemoryTimerStore(new MemoryDatabase({ partitions: 1, now: () => clock.now() })),
    changes,
  );
  const offsets = { commands: 0n, retry: 0n, completed: 0n };
  const owned = new OwnedPartition(
    { ownership: { partition: 0, epoch: 1, offsets, outboxSeq: 0 }, waiting: [] },
    offsets,
    10,
  );
  owned.ready = true;
  const options = { store, clock, log: NO_LOG, historyMs: 1_000, owned: () => [owned], onFound: () => {} };
  return { clock, owned, sweep: new Sweep(options) };
}

/** Which waits of the sweep may hang when the timer stops. */
const HANGING: Record<string, Partial<TimerStore>> = {
  housekeeping: { maintain: () => never() },
  'reporting the housekeeping': { reportSystemJob: () => never() },
  'asking for tenants': { isShared: () => never() },
  'the sweep': { endedActive: () => never() },
};

describe('the sweep', () => {
  for (const [what, changes] of Object.entries(HANGING)) {
    it(`ends at once when its timer stops, in the middle of ${what}`, async () => {
      const { clock, sweep } = sweepOf(changes);
      let ended = false;
      const running = sweep.run().then(() => (ended = true));
      await clock.advance(40_000);
      assert.equal(ended, false);
      sweep.stop();
      await clock.advance(0);
      assert.equal(ended, true);
      await running;
    });
  }

  it('tells the statement of its housekeeping that it ends', async () => {
    let given: AbortSignal | undefined;
    const { clock, sweep } = sweepOf({
      maintain: (_now, _historyMs, signal) => {
        given = signal;
        return never();
      },
    });
    const running = sweep.run();
    await clock.advance(1);
    assert.equal(given?.aborted, false);
    sweep.stop();
    await running;
    assert.equal(given?.aborted, true);
  });

  it('finds no run twice while nothing is decided, and many in pieces that it goes on with at once', async () => {
    let [left, asked] = [2_500, 0];
    const { clock, owned, sweep } = sweepOf({
      endedActive: async (_partition, _before, limit) => {
        asked++;
        const found = Math.min(left, limit);
        return Array.from({ length: found }, (_, index) => {
          return { job: { tenant: 'acme', jobId: `job-${index}` }, runId: `${index}`, finishedAt: 0 };
        });
      },
    });
    const running = sweep.run();
    await clock.advance(10 * 60_000);
    assert.deepEqual([owned.swept.length, asked], [1_000, 1], 'Kafka is away: nothing is decided');
    for (const waiting of [1_500, 500]) {
      left -= owned.swept.splice(0).length;
      await clock.advance(31_000);
      assert.equal(left, waiting);
      assert.ok(owned.swept.length > 0);
    }
    sweep.stop();
    await running;
  });
});
