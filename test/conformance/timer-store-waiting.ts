/** What every timer store does with commands that wait for jobs to be scheduled. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WaitingCommand } from '../../services/core/ports/timer-store.ts';
import { newJobId, Owner, stepOf, type TimerStoreHarness } from './timer-fixtures.ts';

export function timerStoreWaitingConformance(harness: () => TimerStoreHarness, owner: () => Promise<Owner>): void {
  const waitingIn = ({ partition }: Owner, seq: number, fields: Partial<WaitingCommand> = {}): WaitingCommand => ({
    ...{ partition, seq, tenant: 'default', jobId: newJobId(), until: 1_900_000_000_000 + seq, missing: ['a', 'b'] },
    record: {
      ...{ topic: 'job.commands', partition, offset: 9_007_199_254_740_995n, timestampMs: 1_700_000_000_000 },
      ...{ key: Buffer.from('default/x'), value: Buffer.from([0, 255, 1]), headers: { traceparent: 'ü' } },
    },
    ...fields,
  });
  const stored = async (me: Owner): Promise<readonly WaitingCommand[]> =>
    (await harness().store.take(me.partition, 'heir')).waiting;

  describe('commands that wait', () => {
    test('are given to the next owner, as they were read and in their order, and go with the step that decides them', async () => {
      const me = await owner();
      const [first, second] = [waitingIn(me, 1), waitingIn(me, 2, { missing: [] })];
      const third = waitingIn(me, 3, { record: { ...first.record, key: null, value: null, timestampMs: -1 } });
      await me.step({ waits: [first, second] });
      await me.step({ waits: [third] });
      assert.deepEqual(await stored(me), [first, second, third]);
      const heir = await Owner.take(harness().store, me.partition);
      await heir.step({ waited: [1, 3], waits: [waitingIn(heir, 4, { jobId: first.jobId })] });
      assert.deepEqual(
        (await stored(heir)).map(({ seq, jobId }) => [seq, jobId]),
        [
          [2, second.jobId],
          [4, first.jobId],
        ],
      );
      const last = await Owner.take(harness().store, me.partition);
      await last.step({ waited: [2, 4] });
    });

    test('of a step that is refused neither begin to wait nor go', async () => {
      const me = await owner();
      await me.step({ waits: [waitingIn(me, 1)] });
      const zombie = me.ownership;
      const heir = await Owner.take(harness().store, me.partition);
      const refused = stepOf(zombie, { waited: [1], waits: [waitingIn(me, 2)] });
      assert.equal((await harness().store.step([refused])).size, 0);
      assert.deepEqual(
        (await stored(heir)).map(({ seq }) => seq),
        [1],
      );
      const last = await Owner.take(harness().store, me.partition);
      await last.step({ waited: [1] });
    });
  });
}
