/** What every RunStore must do: all together, and settling. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import type { Lease, RunRow, RunStore, Settled, Settlement } from '../../services/core/ports/run-store.ts';
import {
  claimOne,
  detached,
  kill,
  look,
  newDue,
  newDues,
  openedLease,
  retrying,
  settlement,
  type RunStoreHarness,
} from './run-store-harness.ts';
import { claimConformance, reclaimConformance } from './run-store-claim.ts';
import { limitsConformance } from './run-store-limits.ts';
import { leaseConformance, parkedConformance } from './run-store-parked.ts';
import { transactionConformance } from './run-store-transaction.ts';

/** @param skip why it cannot run here */
export function runStoreConformance(name: string, make: () => Promise<RunStoreHarness>, skip?: string): void {
  describe(`run store (${name})`, { skip: skip ?? false }, () => {
    let harness: RunStoreHarness;
    before(async () => {
      harness = await make();
    });
    after(() => harness.close());

    describe('claim', () => claimConformance(() => harness));
    describe('reclaim', () => reclaimConformance(() => harness));
    describe('settle', () => settleConformance(() => harness));
    describe('cancel', () => cancelConformance(() => harness));
    describe('transaction', () => transactionConformance(() => harness));
    describe('parked', () => parkedConformance(() => harness));
    describe('limits', () => limitsConformance(() => harness));
    describe('leases', () => leaseConformance(() => harness));
  });
}

async function settleOne(store: RunStore, lease: Lease, entry: Settlement): Promise<Settled | undefined> {
  return (await store.settle(lease, [entry]))[0];
}

function settleConformance(harness: () => RunStoreHarness): void {
  async function running(lengthMs?: number) {
    const { store } = harness();
    const lease = await openedLease(store, {}, lengthMs);
    const due = newDue();
    const { row } = await claimOne(store, lease, due);
    return { store, lease, due, row };
  }

  it('writes the outcome, and whoever claims later finds it', async () => {
    const { store, lease, due, row } = await running();
    const result = {
      text: 'nul \u0000, bell 🔔, half \ud800, "quotes" \\',
      list: [1, null, 1.5e300],
      nested: { a: {} },
    };
    const settled = await settleOne(store, lease, settlement(row, { result, resultTruncated: true }));
    const found = await look(store, due);
    assert.ok(settled !== undefined && settled.finishedAt >= (row.startedAt as number));
    assert.deepEqual(settled, {
      ...{ runId: due.runId, startedAt: row.startedAt, finishedAt: settled.finishedAt, retryAt: null, parked: false },
      chained: false,
    });
    const expected = { status: 'COMPLETED', finishedAt: settled.finishedAt, result, resultTruncated: true } as const;
    assert.deepEqual(found, { ...row, ...expected });
  });

  it('keeps results of every JSON type, up to 64 KiB', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    for (const result of [null, 0, false, '', 'text', [], {}, 'é'.repeat(32 * 1024 - 1), '\u0000'.repeat(10_900)]) {
      const due = newDue();
      const { row } = await claimOne(store, lease, due);
      await store.settle(lease, [settlement(row, { result })]);
      assert.deepEqual((await look(store, due)).result, result);
    }
  });

  it('answers again when the answer was lost, with the same times', async () => {
    for (const change of [
      settlement({ runId: '', token: 0 }),
      settlement({ runId: '', token: 0 }, { status: 'FAILED', error: { code: 'timeout', message: 'late' } }),
      settlement({ runId: '', token: 0 }, { status: 'CANCELLED' }),
      retrying({ runId: '', token: 0 }, 2, 1_234),
    ]) {
      const { store, lease, row } = await running();
      const entry = { ...change, runId: row.runId, token: row.token };
      const first = await store.settle(lease, [entry]);
      assert.equal(first.length, 1, entry.status);
      assert.deepEqual(await store.settle(lease, [entry]), first, entry.status);
    }
  });

  it('never writes a second outcome', async () => {
    const { store, lease, due, row } = await running();
    await store.settle(lease, [settlement(row, { result: 1 })]);
    const other = settlement(row, { status: 'FAILED', error: { code: 'timeout', message: '' } });
    assert.deepEqual(await store.settle(lease, [other]), []);
    assert.deepEqual(await store.settle(lease, [retrying(row, 2)]), []);
    assert.equal((await look(store, due)).status, 'COMPLETED');
  });

  it('changes nothing for a stale token, another executor, or a run that is not there', async () => {
    const { store, lease, due, row } = await running();
    assert.deepEqual(await store.settle(lease, [settlement({ ...row, token: row.token + 1 })]), []);
    assert.deepEqual(await store.settle(await openedLease(store), [settlement(row)]), []);
    assert.deepEqual(await store.settle(lease, [settlement({ runId: newDue().runId, token: 1 })]), []);
    assert.deepEqual(await look(store, due), row);
  });

  it('changes nothing for a worker whose lease was marked dead, even while nobody took over', async () => {
    const { store, lease, due, row } = await running();
    await kill(store, lease);
    assert.deepEqual(await store.settle(lease, [settlement(row)]), []);
    assert.equal((await look(store, due)).status, 'RUNNING');
  });

  it('changes nothing for a worker whose run was taken over', async () => {
    const { store, lease, due, row } = await running();
    await kill(store, lease);
    const heir = await openedLease(store);
    const reclaim = { due, nonce: randomUUID(), expectedToken: row.token, lostAttempt: true };
    const [taken] = (await store.reclaim(heir, [reclaim])) as [RunRow];
    assert.deepEqual(await store.settle(lease, [settlement(row)]), []);
    assert.equal((await settleOne(store, heir, settlement(taken)))?.runId, due.runId);
  });

  it('lets a worker settle whose lease ran out, as long as nobody marked it', async () => {
    const { store, lease, row } = await running(0);
    assert.equal((await store.settle(lease, [settlement(row)])).length, 1);
  });

  it('announces the next attempt from now on, by the store’s clock', async () => {
    const { store, lease, due, row } = await running();
    const settled = (await settleOne(store, lease, retrying(row, 2, 2_000))) as Settled;
    assert.equal(settled.retryAt, settled.finishedAt + 2_000);
    const found = await look(store, due);
    const { status, attempt, retryAt, finishedAt, error } = found;
    assert.deepEqual(
      { status, attempt, retryAt, finishedAt, error },
      {
        ...{ status: 'RETRYING', attempt: 2, retryAt: settled.retryAt, finishedAt: null },
        error: { code: 'handler_error', message: 'no luck' },
      },
    );
  });

  it('hands a run back at no cost: the same attempt is anybody’s', async () => {
    const { store, lease, due, row } = await running();
    const entry = settlement(row, { status: 'ENQUEUED' });
    assert.equal((await store.settle(lease, [entry])).length, 1);
    assert.equal((await store.settle(lease, [entry])).length, 1, 'again');
    const found = await look(store, due);
    assert.deepEqual(
      [found.status, found.attempt, found.lost, found.executor, found.leaseAlive],
      ['ENQUEUED', 1, 0, null, false],
    );
    const heir = await openedLease(store);
    const reclaim = { due, nonce: randomUUID(), expectedToken: found.token, lostAttempt: false };
    assert.equal((await store.reclaim(heir, [reclaim])).length, 1);
    assert.deepEqual(await store.settle(lease, [entry]), [], 'somebody has it');
  });

  it('keeps the due record of a run that failed, and any error message', async () => {
    const { store, lease, due, row } = await running();
    const error = { code: 'handler_error', message: 'nul \u0000 half \udfff end 🔔' };
    await store.settle(lease, [settlement(row, { status: 'FAILED', error, due })]);
    assert.deepEqual((await look(store, due)).error, {
      code: 'handler_error',
      message: 'nul \ufffd half \ufffd end 🔔',
    });
    assert.deepEqual((await harness().stored(due.runId)).due, due);
  });

  it('answers of a batch those that took effect', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    const requests = newDues(100).map((due) => ({ due, nonce: randomUUID() }));
    const rows = (await store.claim(lease, requests)).map(({ row }) => row);
    const entries = rows.map((row, index) => settlement(index % 3 === 0 ? { ...row, token: 7 } : row));
    await store.settle(lease, entries.slice(0, 10));
    const settled = await store.settle(lease, entries);
    const expected = rows.filter((_, index) => index % 3 !== 0).map(({ runId }) => runId);
    assert.deepEqual(settled.map(({ runId }) => runId).sort(), expected.sort());
    assert.deepEqual(await store.settle(lease, []), []);
  });

  it('tells whether a parked row holds the run', async () => {
    const { store, lease, due, row } = await running();
    await store.park([detached(due, lease)]);
    assert.equal((await settleOne(store, lease, settlement(row)))?.parked, true);
    await store.unpark([due]);
    assert.equal((await settleOne(store, lease, settlement(row)))?.parked, false);
  });

  it('keeps the progress of a run for whoever runs it', async () => {
    const { store, lease, due, row } = await running();
    await store.progress(lease, [{ ...row, fraction: 0.5, note: 'half\u0000way' }]);
    assert.deepEqual((await harness().stored(due.runId)).progress, { fraction: 0.5, note: 'half\u0000way' });
    await store.progress(lease, [{ ...row, token: 9, fraction: 0.7, note: null }]);
    await store.progress(await openedLease(store), [{ ...row, fraction: 0.8, note: null }]);
    await store.progress(lease, []);
    assert.deepEqual((await harness().stored(due.runId)).progress, { fraction: 0.5, note: 'half\u0000way' });
  });
}

function cancelConformance(harness: () => RunStoreHarness): void {
  it('tells which runs were cancelled with their jobs, in the order asked', async () => {
    const { store, setCancelGeneration } = harness();
    const [a, b, gone] = newDues(3) as [
      ReturnType<typeof newDue>,
      ReturnType<typeof newDue>,
      ReturnType<typeof newDue>,
    ];
    await setCancelGeneration(a.tenant, a.jobId, 2);
    await setCancelGeneration(b.tenant, b.jobId, 5);
    const later = { ...a, cancelGen: 2 };
    assert.deepEqual(await store.cancelled([b, gone, later, a, b]), [true, false, false, true, true]);
    assert.deepEqual(await store.cancelled([]), []);
  });

  it('tells which runs were cancelled by themselves', async () => {
    const { store, cancelRun } = harness();
    const [a, b] = newDues(2) as [ReturnType<typeof newDue>, ReturnType<typeof newDue>];
    await cancelRun(a.runId);
    assert.deepEqual(await store.cancelled([b, a, { ...b, jobId: a.jobId }]), [false, true, false]);
  });
}
