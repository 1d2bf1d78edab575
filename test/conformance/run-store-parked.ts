/** What every RunStore must do: parked runs and leases. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';

import type { LeaseState, RunStore } from '../../services/core/ports/run-store.ts';
import type { DueRecord } from '../../services/core/records.ts';
import {
  detached,
  handedOver,
  kill,
  newDue,
  newDues,
  newLease,
  openedLease,
  LENGTH_MS,
  type RunStoreHarness,
} from './run-store-harness.ts';

const FIVE_MINUTES_MS = 300_000;

function ids(runs: readonly { runId: string }[]): string[] {
  return runs.map(({ runId }) => runId);
}

export function parkedConformance(harness: () => RunStoreHarness): void {
  /** Each test has a queue of its own. */
  async function inQueue(...handlers: string[]) {
    const { store } = harness();
    const queue = `q-${randomUUID()}`;
    return { store, queue, lease: await openedLease(store, { queue, handlers }) };
  }

  it('gives a run that was handed over to an executor with the handler, once', async () => {
    const { store, queue, lease } = await inQueue('a', 'b');
    const dues = [newDue({ queue, handler: 'a' }), newDue({ queue, handler: 'c' }), newDue({ handler: 'a' })] as const;
    await store.park(dues.map(handedOver));
    const [taken, ...others] = await store.takeParked(lease, 10);
    assert.deepEqual(others, []);
    const { parkedAt, ...rest } = taken as NonNullable<typeof taken>;
    const { parkedAt: _, ...expected } = detached(dues[0], lease);
    assert.deepEqual(rest, expected);
    assert.ok(Math.abs(parkedAt - (await store.databaseNow())) < 10_000);
    assert.deepEqual(await store.takeParked(lease, 10), []);
    await store.unpark([dues[0]]);
    await kill(store, lease);
    await store.releaseParkedOfDead();
    assert.deepEqual(await store.takeParked(await openedLease(store, lease), 10), [], 'unparked');
  });

  it('takes high priority first, then who waits longest, as many as asked', async () => {
    const { store, queue, lease } = await inQueue('a');
    const { pass } = harness();
    const low = newDue({ queue, handler: 'a', priority: 'low' });
    const early = newDue({ queue, handler: 'a' });
    const late = newDue({ queue, handler: 'a' });
    const high = newDue({ queue, handler: 'a', priority: 'high' });
    for (const due of [low, early, late, high]) {
      await store.park([handedOver(due)]);
      await pass(10);
    }
    assert.deepEqual(ids(await store.takeParked(lease, 2)).sort(), ids([high, early]).sort());
    assert.deepEqual(ids(await store.takeParked(lease, 1)), [late.runId]);
    assert.deepEqual(ids(await store.takeParked(lease, 5)), [low.runId]);
  });

  it('leaves out tenants that have enough', async () => {
    const { store, queue, lease } = await inQueue('a');
    const [hog, honest] = [
      newDue({ queue, handler: 'a', tenant: 'hog' }),
      newDue({ queue, handler: 'a', tenant: 'b' }),
    ];
    await store.park([hog, honest].map(handedOver));
    assert.deepEqual(ids(await store.takeParked(lease, 10, undefined, ['hog', 'pig'])), [honest.runId]);
    assert.deepEqual(ids(await store.takeParked(lease, 10, undefined, [])), [hog.runId]);
  });

  it('gives each of many to one of several that take at once', async () => {
    const { store, queue } = await inQueue('a');
    await store.park(newDues(60, { queue, handler: 'a' }).map(handedOver));
    const leases = await Promise.all(Array.from({ length: 4 }, () => openedLease(store, { queue, handlers: ['a'] })));
    const taken: string[] = [];
    for (let round = 0; taken.length < 60 && round < 50; round++) {
      taken.push(...ids((await Promise.all(leases.map((lease) => store.takeParked(lease, 5)))).flat()));
    }
    assert.equal(taken.length, 60);
    assert.equal(new Set(taken).size, 60);
  });

  it('gives what was taken again when the answer was lost', async () => {
    const { store, queue, lease } = await inQueue('a');
    const [known, lost] = newDues(2, { queue, handler: 'a' }) as [DueRecord, DueRecord];
    await store.park([known, lost].map(handedOver));
    await store.takeParked(lease, 10);
    assert.deepEqual(ids(await store.takeParked(lease, 10, [known.runId])), [lost.runId]);
    assert.deepEqual(await store.takeParked(lease, 10, ids([known, lost])), []);
    assert.deepEqual(ids(await store.takeParked(lease, 10, [])).sort(), ids([known, lost]).sort());
  });

  it('gives nothing to a dead lease', async () => {
    const { store, queue, lease } = await inQueue('a');
    await store.park([handedOver(newDue({ queue, handler: 'a' }))]);
    await kill(store, lease);
    assert.deepEqual(await store.takeParked(lease, 10), []);
    assert.equal((await store.takeParked(await openedLease(store, lease), 10)).length, 0, 'dead is final');
    assert.equal((await store.takeParked(await openedLease(store, { queue, handlers: ['a'] }), 10)).length, 1);
  });

  it('hands the runs of dead executors over again, not those of executors whose lease merely ran out', async () => {
    const { store, queue, lease } = await inQueue('a');
    const { pass } = harness();
    const due = newDue({ queue, handler: 'a' });
    await store.park([detached(due, lease)]);
    await store.releaseParkedOfDead();
    const heir = await openedLease(store, { queue, handlers: ['a'] });
    assert.deepEqual(await store.takeParked(heir, 10), [], 'alive');
    await pass(LENGTH_MS);
    await store.releaseParkedOfDead();
    assert.deepEqual(await store.takeParked(heir, 10), [], 'run out');
    await store.markDead([lease.executor]);
    assert.ok((await store.releaseParkedOfDead()) >= 1);
    assert.deepEqual(ids(await store.takeParked(heir, 10)), [due.runId]);
  });

  it('keeps one row a run: a later attempt replaces an earlier one, never the other way round', async () => {
    const { store, queue, lease } = await inQueue('a');
    const first = newDue({ queue, handler: 'a' });
    const second = { ...first, attempt: 2 };
    await store.park([detached(first, lease)]);
    await store.park([handedOver(second), handedOver(first)]);
    await store.park([detached(first, lease)]);
    await store.unpark([first]);
    const [taken] = await store.takeParked(lease, 10);
    assert.equal(taken?.due.attempt, 2);
    await store.park([handedOver(second)]);
    assert.equal((await store.takeParked(lease, 10)).length, 1, 'handed back');
    await store.unpark([{ runId: first.runId, attempt: 3 }]);
    assert.deepEqual(await store.takeParked(lease, 10, []), []);
    await store.park([]);
    await store.unpark([]);
  });

  it('gives runs up whose handler nobody had for long, no others', async () => {
    const { store, queue, lease } = await inQueue('a');
    const { pass } = harness();
    const gone = newDue({ queue, handler: 'gone' });
    const former = newDue({ queue, handler: 'former' });
    const elsewhere = newDue({ handler: `e-${queue}` });
    const had = await openedLease(store, { queue, handlers: ['former'] });
    await store.park([gone, former, newDue({ queue, handler: 'a' }), elsewhere].map(handedOver));
    assert.deepEqual(await store.takeOrphans(lease, FIVE_MINUTES_MS, 10), [], 'not for long');
    await pass(FIVE_MINUTES_MS - LENGTH_MS);
    await store.renewLease(lease.executor, LENGTH_MS, 1);
    await store.renewLease(had.executor, LENGTH_MS, 1);
    await store.closeLease(had.executor);
    await pass(LENGTH_MS + 1);
    await store.renewLease(lease.executor, LENGTH_MS, 1);
    assert.deepEqual(ids(await store.takeOrphans(lease, FIVE_MINUTES_MS, 10)), [gone.runId]);
    await pass(FIVE_MINUTES_MS);
    await store.renewLease(lease.executor, LENGTH_MS, 1);
    const [orphan, ...others] = await store.takeOrphans(lease, FIVE_MINUTES_MS, 10);
    assert.deepEqual([orphan?.runId, orphan?.executor, others], [former.runId, lease.executor, []]);
  });
}

export function leaseConformance(harness: () => RunStoreHarness): void {
  async function stateOf(store: RunStore, executor: string): Promise<LeaseState | undefined> {
    return (await store.leases()).find((state) => state.executor === executor);
  }

  it('shows a lease with what it advertises', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    await store.renewLease(lease.executor, LENGTH_MS, 7);
    const { ageMs, ...state } = (await stateOf(store, lease.executor)) as LeaseState;
    assert.deepEqual(state, { ...lease, alive: true, free: 7 });
    assert.ok(ageMs >= 0 && ageMs < 10_000);
  });

  it('marks only leases that ran out, each once, and a marked one is not renewed', async () => {
    const { store, pass } = harness();
    const [short, long] = [await openedLease(store, {}, 1_000), await openedLease(store)];
    const both = [short.executor, long.executor];
    assert.deepEqual(await store.markDead(both), []);
    await pass(1_000);
    assert.deepEqual(await store.markDead([...both, newLease().executor]), [
      { executor: short.executor, transactionalId: short.transactionalId },
    ]);
    assert.deepEqual(await store.markDead(both), []);
    assert.equal(await store.renewLease(short.executor, 1_000, 0), false);
    assert.equal(await store.renewLease(long.executor, 1_000, 0), true);
    assert.equal(await stateOf(store, short.executor), undefined);
    assert.equal(await store.renewLease(newLease().executor, 1_000, 0), false);
    assert.deepEqual(await store.markDead([]), []);
  });

  it('renews a lease that ran out before anybody marked it; its age begins anew', async () => {
    const { store, pass } = harness();
    const { executor } = await openedLease(store, {}, 20_000);
    await pass(15_000);
    await store.renewLease(executor, 20_000, 0);
    assert.ok(((await stateOf(store, executor))?.ageMs ?? 0) >= 15_000, 'held without a gap');
    await pass(20_000);
    assert.equal((await stateOf(store, executor))?.alive, false);
    assert.equal(await store.renewLease(executor, 20_000, 0), true);
    const state = await stateOf(store, executor);
    assert.equal(state?.alive, true);
    assert.ok((state?.ageMs ?? Infinity) < 10_000, 'after a gap');
    assert.deepEqual(await store.markDead([executor]), []);
  });

  it('lets one of renewing and marking win', async () => {
    const { store } = harness();
    for (let round = 0; round < 20; round++) {
      const { executor } = await openedLease(store, {}, 0);
      const [renewed, marked] = await Promise.all([
        store.renewLease(executor, LENGTH_MS, 0),
        store.markDead([executor]),
      ]);
      assert.equal(renewed, marked.length === 0);
    }
  });

  it('is dead as soon as it is closed, and opening it again does not revive it', async () => {
    const { store } = harness();
    const lease = await openedLease(store);
    await store.openLease(lease, LENGTH_MS);
    await store.closeLease(lease.executor);
    await store.closeLease(lease.executor);
    assert.equal(await stateOf(store, lease.executor), undefined);
    await store.openLease(lease, LENGTH_MS);
    assert.equal(await store.renewLease(lease.executor, LENGTH_MS, 0), false);
  });
}
