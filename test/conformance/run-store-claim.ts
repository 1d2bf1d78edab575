/** What every RunStore must do: claiming. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';

import type { RunRow, RunStore } from '../../services/core/ports/run-store.ts';
import {
  claimOne,
  codeOf,
  detached,
  handedOver,
  kill,
  look,
  newDue,
  newDues,
  newLease,
  openedLease,
  retrying,
  settlement,
  type RunStoreHarness,
} from './run-store-harness.ts';

export function claimConformance(harness: () => RunStoreHarness): void {
  it('makes a run that nobody has this lease’s own', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    const [due, nonce] = [newDue(), randomUUID()];
    const now = await store.databaseNow();
    const { inserted, row } = await claimOne(store, lease, due, nonce);
    assert.equal(inserted, true);
    const { startedAt, ...rest } = row;
    assert.ok(startedAt !== null && startedAt >= now - 1 && startedAt < now + 10_000);
    assert.deepEqual(rest, {
      ...{ runId: due.runId, status: 'RUNNING', attempt: 1, token: 1, lost: 0, executor: lease.executor, nonce },
      ...{ worker: lease.worker, leaseAlive: true, parked: false, finishedAt: null, retryAt: null, result: null },
      ...{ resultTruncated: false, error: null, reason: null },
    });
    assert.deepEqual(await look(store, due), row);
  });

  it('lets a run that is claimed before its time start at its time, whichever attempt it is', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    const dueAt = (await store.databaseNow()) + 60_000;
    const due = newDue({ dueAt });
    const { row } = await claimOne(store, lease, due);
    assert.equal(row.startedAt, dueAt);
    assert.deepEqual(await look(store, due), row);
    const next = { ...due, attempt: 2, dueAt: dueAt + 1_000 };
    await store.settle(lease, [retrying({ runId: due.runId, token: row.token }, 2)]);
    const [again] = await store.reclaim(lease, [
      { due: next, nonce: randomUUID(), expectedToken: row.token, lostAttempt: false },
    ]);
    assert.equal(again?.startedAt, next.dueAt);
  });

  it('answers in the order asked, new runs and known ones', async () => {
    const { store } = harness();
    const [mine, other] = [await openedLease(store), await openedLease(store)];
    const dues = newDues(6).sort((a, b) => (a.runId > b.runId ? -1 : 1));
    const known = dues.filter((_, index) => index % 2 === 0);
    await store.claim(
      other,
      known.map((due) => ({ due, nonce: randomUUID() })),
    );
    const claims = await store.claim(
      mine,
      dues.map((due) => ({ due, nonce: randomUUID() })),
    );
    assert.deepEqual(
      claims.map(({ runId }) => runId),
      dues.map(({ runId }) => runId),
    );
    assert.deepEqual(
      claims.map(({ inserted }) => inserted),
      [false, true, false, true, false, true],
    );
    assert.deepEqual(
      claims.map(({ row }) => row.executor === mine.executor),
      [false, true, false, true, false, true],
    );
    assert.deepEqual(await store.claim(mine, []), []);
  });

  it('finds its own claim again when the answer was lost', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    const [due, nonce] = [newDue(), randomUUID()];
    const first = await claimOne(store, lease, due, nonce);
    const second = await claimOne(store, lease, due, nonce);
    assert.equal(second.inserted, false);
    assert.deepEqual(second.row, first.row);
  });

  it('gives each of many runs to one of two that claim them at once, in opposite orders', async () => {
    const { store } = harness();
    const leases = [await openedLease(store), await openedLease(store)] as const;
    for (let round = 0; round < 5; round++) {
      const requests = newDues(200).map((due) => ({ due, nonce: randomUUID() }));
      const [a, b] = await Promise.all([
        store.claim(leases[0], requests),
        store.claim(leases[1], requests.toReversed()),
      ]);
      const winners = [...a, ...b].filter(({ inserted }) => inserted).map(({ runId }) => runId);
      assert.equal(winners.length, 200);
      assert.equal(new Set(winners).size, 200);
      for (const [index, claim] of a.entries()) assert.equal(claim.row.executor, b.at(-1 - index)?.row.executor);
    }
  });

  it('is refused to a dead lease, and to one that never was', async () => {
    const { store } = harness();
    const dead = await openedLease(store);
    await kill(store, dead);
    const due = newDue();
    for (const lease of [dead, newLease()]) assert.equal(await codeOf(claimOne(store, lease, due)), 'lease_lost');
    assert.equal((await claimOne(store, await openedLease(store), due)).inserted, true);
  });

  it('tells whether the lease of the run’s executor lives', async () => {
    const { store, pass } = harness();
    const [due, lease] = [newDue(), await openedLease(store, {}, 5_000)];
    await claimOne(store, lease, due);
    assert.equal((await look(store, due)).leaseAlive, true);
    await pass(5_000);
    assert.equal((await look(store, due)).leaseAlive, false, 'run out');
    await store.renewLease(lease.executor, 5_000, 0);
    assert.equal((await look(store, due)).leaseAlive, true, 'renewed late');
    await store.closeLease(lease.executor);
    assert.equal((await look(store, due)).leaseAlive, false, 'closed');
  });

  it('tells whether this attempt of the run is parked, not an earlier one', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    const due = newDue();
    const { row } = await claimOne(store, lease, due);
    await store.park([detached(due, lease)]);
    assert.equal((await look(store, due)).parked, true);
    await store.settle(lease, [retrying(row, 2)]);
    assert.equal((await look(store, due)).parked, false, 'the row is at attempt 2');
    await store.park([handedOver({ ...due, attempt: 2 })]);
    assert.equal((await look(store, due)).parked, true);
  });
}

export function reclaimConformance(harness: () => RunStoreHarness): void {
  /** A run that waits for its second attempt. */
  async function waiting(store: RunStore): Promise<{ due: ReturnType<typeof newDue>; token: number }> {
    const lease = await openedLease(store);
    const due = newDue();
    const { row } = await claimOne(store, lease, due);
    await store.settle(lease, [retrying(row, 2)]);
    return { due: { ...due, attempt: 2 }, token: row.token };
  }
  const request = (due: ReturnType<typeof newDue>, expectedToken: number, lostAttempt = false) => ({
    ...{ due, nonce: randomUUID(), expectedToken, lostAttempt },
  });

  it('starts the announced attempt of a run that waits, with a new token and nothing of the former attempt', async () => {
    const { store } = harness();
    const { due, token } = await waiting(store);
    const lease = await openedLease(store);
    const [row] = await store.reclaim(lease, [request(due, token)]);
    const { status, attempt, executor, worker, lost, retryAt, error } = row as RunRow;
    assert.deepEqual(
      { status, attempt, executor, worker, lost, retryAt, error },
      {
        ...{ status: 'RUNNING', attempt: 2, executor: lease.executor, worker: lease.worker },
        ...{ lost: 0, retryAt: null, error: null },
      },
    );
    assert.ok((row as RunRow).token > token);
    assert.deepEqual(await look(store, due), row);
  });

  it('gives each run to one of two that come at once', async () => {
    const { store } = harness();
    const runs = await Promise.all(Array.from({ length: 20 }, () => waiting(store)));
    const requests = runs.map(({ due, token }) => request(due, token));
    const [a, b] = [await openedLease(store), await openedLease(store)];
    const taken = await Promise.all([
      store.reclaim(a, requests),
      store.reclaim(
        b,
        requests.map((each) => ({ ...each, nonce: randomUUID() })),
      ),
    ]);
    assert.equal(new Set(taken.flat().map(({ runId }) => runId)).size, 20);
    assert.equal(taken.flat().length, 20);
  });

  it('answers again when the answer was lost, and changes nothing', async () => {
    const { store } = harness();
    const { due, token } = await waiting(store);
    const lease = await openedLease(store);
    const again = request(due, token);
    const first = await store.reclaim(lease, [again]);
    assert.deepEqual(await store.reclaim(lease, [again]), first);
    assert.deepEqual(await store.reclaim(lease, [{ ...again, nonce: randomUUID() }]), [], 'another claim');
  });

  it('takes nothing on an old token, from a run that ended or runs, or for a dead lease', async () => {
    const { store } = harness();
    const { due, token } = await waiting(store);
    const lease = await openedLease(store);
    assert.deepEqual(await store.reclaim(lease, [request(due, token - 1)]), []);
    const dead = await openedLease(store);
    await kill(store, dead);
    assert.deepEqual(await store.reclaim(dead, [request(due, token)]), []);
    const [row] = (await store.reclaim(lease, [request(due, token)])) as [RunRow];
    const other = await openedLease(store);
    assert.deepEqual(await store.reclaim(other, [request(due, row.token)]), [], 'it runs');
    await store.settle(lease, [settlement(row, { attempt: 2 })]);
    assert.deepEqual(await store.reclaim(other, [request(due, row.token)]), [], 'it ended');
    assert.deepEqual(await store.reclaim(other, [request(newDue(), 1)]), [], 'it never was');
  });

  it('takes a running run over only after its lease was marked dead, and counts the lost attempt', async () => {
    const { store, pass } = harness();
    const [worker, heir] = [await openedLease(store, {}, 5_000), await openedLease(store)];
    const due = newDue();
    const { row } = await claimOne(store, worker, due);
    assert.deepEqual(await store.reclaim(heir, [request(due, row.token, true)]), [], 'alive');
    await pass(5_000);
    assert.deepEqual(await store.reclaim(heir, [request(due, row.token, true)]), [], 'run out, not marked');
    await store.markDead([worker.executor]);
    const [taken] = await store.reclaim(heir, [request(due, row.token, true)]);
    assert.equal(taken?.lost, 1);
    assert.equal(taken?.attempt, 1);
    assert.equal(taken?.executor, heir.executor);
  });

  it('takes the runs of a closed lease over at once', async () => {
    const { store } = harness();
    const [worker, heir] = [await openedLease(store), await openedLease(store)];
    const due = newDue();
    const { row } = await claimOne(store, worker, due);
    await store.closeLease(worker.executor);
    assert.equal((await store.reclaim(heir, [request(due, row.token, true)])).length, 1);
  });
}
