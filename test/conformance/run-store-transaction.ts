/** What every RunStore must do: a handler's own transaction. What it means for the handler's writes: postgres-run-store.test.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';

import type { Settled } from '../../services/core/ports/run-store.ts';
import {
  claimOne,
  codeOf,
  kill,
  look,
  newDue,
  openedLease,
  settlement,
  type RunStoreHarness,
} from './run-store-harness.ts';

export function transactionConformance(harness: () => RunStoreHarness): void {
  async function running() {
    const { store } = harness();
    const lease = await openedLease(store);
    const due = newDue();
    const { row } = await claimOne(store, lease, due);
    return { store, lease, due, row };
  }

  it('commits the outcome and answers what the work answers', async () => {
    const { store, lease, due, row } = await running();
    let settled: Settled | undefined;
    const answer = await store.transaction(lease, 5_000, async (transaction) => {
      settled = await transaction.settle(settlement(row, { result: 'done' }));
      return 42;
    });
    assert.equal(answer, 42);
    const found = await look(store, due);
    assert.deepEqual([found.status, found.result, found.finishedAt], ['COMPLETED', 'done', settled?.finishedAt]);
  });

  it('leaves the run RUNNING when the work throws, and throws the same', async () => {
    const { store, lease, due, row } = await running();
    const mistake = new TypeError('a mistake');
    const throwing = store.transaction(lease, 5_000, async ({ settle }) => {
      await settle(settlement(row));
      throw mistake;
    });
    await assert.rejects(throwing, (error) => error === mistake);
    assert.deepEqual(await look(store, due), row);
  });

  it('rolls back with lease_lost when the run is not the worker’s any more, also when the work hides it', async () => {
    const { store, lease, due, row } = await running();
    const stale = store.transaction(lease, 5_000, async ({ settle }) => {
      await settle(settlement({ ...row, token: 9 })).catch(() => undefined);
      return 'hidden';
    });
    assert.equal(await codeOf(stale), 'lease_lost');
    await kill(store, lease);
    const dead = store.transaction(lease, 5_000, ({ settle }) => settle(settlement(row)));
    assert.equal(await codeOf(dead), 'lease_lost');
    assert.equal((await look(store, due)).status, 'RUNNING');
  });

  it('rolls back what never settles', async () => {
    const { store, lease } = await running();
    assert.equal(await codeOf(store.transaction(lease, 5_000, async () => 'forgot')), 'not_settled');
  });

  it('rolls back what takes too long, and the run can be settled otherwise', async () => {
    const { store, lease, due, row } = await running();
    const stuck = store.transaction(lease, 50, async ({ settle }) => {
      await settle(settlement(row));
      await new Promise(() => undefined);
    });
    assert.equal(await codeOf(stuck), 'timeout');
    await store.settle(lease, [settlement(row, { status: 'FAILED', error: { code: 'timeout', message: '' } })]);
    assert.equal((await look(store, due)).status, 'FAILED');
  });

  it('enqueues commands at once, and within a transaction with its outcome', async () => {
    const { store, lease, row } = await running();
    const enqueued = async (): Promise<string[]> =>
      (await harness().enqueued()).filter((id) => id.startsWith(row.runId)).map((id) => id.slice(row.runId.length));
    const cancel = (name: string) => ({ type: 'cancel', commandId: row.runId + name, tenant: 'acme', jobId: 'other' });
    await store.enqueue(cancel('-at-once'));
    const rolledBack = store.transaction(lease, 5_000, async ({ enqueue }) => {
      await enqueue(cancel('-rolled-back'));
      throw new TypeError('a mistake');
    });
    await assert.rejects(rolledBack, TypeError);
    assert.deepEqual(await enqueued(), ['-at-once']);
    await store.transaction(lease, 5_000, async ({ enqueue, settle }) => {
      await enqueue(cancel('-committed'));
      assert.deepEqual(await enqueued(), ['-at-once']);
      await settle(settlement(row));
    });
    assert.deepEqual(await enqueued(), ['-at-once', '-committed']);
  });
}
