/** What every timer store does with commands that were enqueued in somebody's own transaction. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { partitionOf } from '../../services/core/murmur2.ts';
import type { EnqueuedCommand } from '../../services/core/ports/timer-store.ts';
import { jobIn, newJobId, Owner, stepOf, type TimerStoreHarness } from './timer-fixtures.ts';

const LOTS = 1_000_000;

export function timerStoreEnqueuedConformance(harness: () => TimerStoreHarness, partitions: number): void {
  const enqueue = async (...jobIds: string[]): Promise<void> => {
    for (const jobId of jobIds)
      await harness().enqueue({ type: 'cancel', commandId: `c-${jobId}`, tenant: 'default', jobId });
  };
  const placeOf = (jobId: string): number => partitionOf(`default/${jobId}`, partitions);
  /** Ids of jobs whose place is one and the same, which no other test has. */
  const jobsOfOnePlace = (count: number): string[] => {
    const first = newJobId();
    const found = [first];
    while (found.length < count) {
      const next = newJobId();
      if (placeOf(next) === placeOf(first)) found.push(next);
    }
    return found;
  };
  const jobsOf = (rows: readonly EnqueuedCommand[], ids: readonly string[]): string[] =>
    rows.map(({ command }) => (JSON.parse(command) as { jobId: string }).jobId).filter((jobId) => ids.includes(jobId));

  describe('enqueued commands', () => {
    test('are in the partition of their key, in their order, as they were written', async () => {
      const { store } = harness();
      const ids = jobsOfOnePlace(3);
      const before = await store.databaseNow();
      await enqueue(...ids);
      const rows = await store.enqueued([placeOf(ids[0]!)], 1_000, LOTS);
      assert.deepEqual(jobsOf(rows, ids), ids);
      const row = rows.find(({ key }) => key === `default/${ids[1]}`)!;
      const { type, commandId, tenant } = JSON.parse(row.command) as Record<string, string>;
      assert.deepEqual([type, commandId, tenant], ['cancel', `c-${ids[1]}`, 'default']);
      assert.ok(row.enqueuedAt >= before && row.enqueuedAt <= (await store.databaseNow()));
      const others = Array.from({ length: partitions }, (_, p) => p).filter((p) => p !== placeOf(ids[0]!));
      assert.deepEqual(jobsOf(await store.enqueued(others, 1_000, LOTS), ids), []);
    });

    test('come so many at a time, and so many bytes, but one at least', async () => {
      const { store } = harness();
      const ids = jobsOfOnePlace(3);
      const place = [placeOf(ids[0]!)];
      const me = await Owner.take(store, place[0]!);
      const old = await store.enqueued(place, 1_000, LOTS);
      await me.step({ enqueued: old.map(({ id }) => id) });
      await enqueue(...ids);
      assert.deepEqual(jobsOf(await store.enqueued(place, 2, LOTS), ids), ids.slice(0, 2));
      assert.deepEqual(jobsOf(await store.enqueued(place, 1_000, 1), ids), ids.slice(0, 1));
    });

    test('go with the effects of the step that applies them', async () => {
      const { store } = harness();
      const ids = jobsOfOnePlace(2);
      await enqueue(...ids);
      const me = await Owner.take(store, placeOf(ids[0]!));
      const rows = await store.enqueued([me.partition], 1_000, LOTS);
      const first = rows.find(({ key }) => key === `default/${ids[0]}`)!;
      const job = jobIn(me.partition, { jobId: ids[0]! });
      assert.ok(await me.step({ enqueued: [first.id], jobs: [job] }));
      assert.deepEqual(await me.job(ids[0]!), job);
      assert.deepEqual(jobsOf(await store.enqueued([me.partition], 1_000, LOTS), ids), [ids[1]]);
    });

    test('stay when the step is refused, and a step cannot take those of another partition', async () => {
      const { store } = harness();
      const [jobId] = jobsOfOnePlace(1) as [string];
      await enqueue(jobId);
      const zombie = await Owner.take(store, placeOf(jobId));
      const heir = await Owner.take(store, placeOf(jobId), 'timer-2');
      const [row] = (await store.enqueued([heir.partition], 1_000, LOTS)).filter(({ key }) => key.endsWith(jobId));
      assert.equal(await zombie.step({ enqueued: [row!.id] }), false);
      const other = await Owner.take(store, (heir.partition + 1) % partitions);
      const steps = [
        stepOf(other.ownership, { enqueued: [row!.id] }),
        stepOf(zombie.ownership, { enqueued: [row!.id] }),
      ];
      assert.deepEqual([...(await store.step(steps))], [other.partition]);
      assert.deepEqual(jobsOf(await store.enqueued([heir.partition], 1_000, LOTS), [jobId]), [jobId]);
      assert.ok(await heir.step({ enqueued: [row!.id] }));
      assert.deepEqual(jobsOf(await store.enqueued([heir.partition], 1_000, LOTS), [jobId]), []);
    });
  });
}
