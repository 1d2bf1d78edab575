/** What every RunStore must do: limits over the whole deployment. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';

import type { Admission, Admitted, Lease, Limit, RunStore } from '../../services/core/ports/run-store.ts';
import type { DueRecord } from '../../services/core/records.ts';
import {
  claimOne,
  codeOf,
  detached,
  kill,
  newDue,
  openedLease,
  settlement,
  type RunStoreHarness,
} from './run-store-harness.ts';

const MINUTE_MS = 60_000;

export function limitsConformance(harness: () => RunStoreHarness): void {
  /** Each test has a queue, a limit and runs of its own; `dues` are oldest first. */
  async function under(most: number, perSecond = false) {
    const { store } = harness();
    const queue = `q-${randomUUID()}`;
    const handlers = ['send-invoice'];
    const lease = await openedLease(store, { queue, handlers });
    const limit: Limit = { name: `key/acme/${randomUUID()}`, most, perSecond };
    const start = Date.now();
    const dues = Array.from({ length: 5 }, (_, index) => newDue({ queue, runId: runIdAt(start + index) }));
    return {
      store,
      queue,
      lease,
      handlers,
      limit,
      dues: dues as [DueRecord, DueRecord, DueRecord, DueRecord, DueRecord],
    };
  }

  function admission(due: DueRecord, limits: Limit[], changes: Partial<Admission> = {}): Admission {
    return { due, handler: due.handler, nonce: randomUUID(), ticket: randomUUID(), limits, parked: false, ...changes };
  }

  function admitOne(store: RunStore, lease: Lease, each: Admission): Promise<Admitted> {
    return store.admit(lease, [each]).then(([outcome]) => outcome as Admitted);
  }

  it('lets as many runs in as the limit says, the oldest ones, in whatever order they are asked for', async () => {
    const { store, lease, limit, dues } = await under(2);
    const outcomes = await store.admit(
      lease,
      dues.toReversed().map((due) => admission(due, [limit])),
    );
    assert.deepEqual(outcomes, ['waits', 'waits', 'waits', 'placed', 'placed']);
  });

  it('counts over all executors, and the places of several limits are given all or none', async () => {
    const { store, lease, limit, dues } = await under(1);
    const wide = { name: `tenant/${randomUUID()}`, most: 2 };
    const other = await openedLease(store);
    assert.equal(await admitOne(store, lease, admission(dues[0], [limit, wide])), 'placed');
    assert.equal(await admitOne(store, other, admission(dues[1], [limit, wide])), 'waits');
    assert.equal(
      await admitOne(store, other, admission(dues[2], [wide])),
      'placed',
      'the run that waits took none of the wide limit',
    );
    assert.equal(await admitOne(store, other, admission(dues[3], [wide])), 'waits');
  });

  it('hands over whoever has waited longest when a place is given back, once', async () => {
    const { store, lease, limit, dues } = await under(1);
    const first = admission(dues[1], [limit]);
    assert.equal(await admitOne(store, lease, first), 'placed');
    for (const due of [dues[4], dues[2], dues[3]])
      assert.equal(await admitOne(store, lease, admission(due, [limit])), 'waits');
    assert.deepEqual(await store.takeParked(lease, 5), [], 'nobody’s turn yet');
    assert.equal(await store.leave([first.ticket]), 1);
    assert.equal(await store.leave([first.ticket]), 0);
    const taken = await store.takeParked(lease, 5);
    assert.deepEqual(ids(taken), [dues[2].runId]);
    const again = admission(dues[2], [limit], { parked: true });
    assert.equal(await admitOne(store, lease, again), 'placed');
    assert.equal(await store.leave([again.ticket]), 1, 'the next one');
  });

  it('hands out those that wait although their job was cancelled, to whoever asks in their queue', async () => {
    const { setCancelGeneration } = harness();
    const { store, queue, lease, limit, dues } = await under(1);
    const [first, waiting, cancelled, elsewhere] = dues;
    const ended = { ...cancelled, cancelGen: 1 };
    await admitOne(store, lease, admission(first, [limit]));
    for (const due of [waiting, ended, { ...elsewhere, queue: `not-${queue}` }])
      assert.equal(await admitOne(store, lease, admission(due, [limit])), 'waits');
    await setCancelGeneration(ended.tenant, ended.jobId, 1);
    assert.deepEqual(await store.takeCancelled(lease, 5), [], 'it was decided after that cancel');
    await setCancelGeneration(ended.tenant, ended.jobId, 2);
    await setCancelGeneration(elsewhere.tenant, elsewhere.jobId, 2);
    const without = await openedLease(store, { queue, handlers: [] });
    const [taken, ...more] = await store.takeCancelled(without, 5);
    assert.deepEqual([taken?.runId, taken?.kind, taken?.executor], [ended.runId, 'detached', without.executor]);
    assert.deepEqual(more, []);
    assert.deepEqual(await store.takeCancelled(without, 5), [], 'once');
  });

  it('hands out those that nobody has in hand and that were cancelled by themselves', async () => {
    const { cancelRun } = harness();
    const { store, queue, lease, limit, dues } = await under(1);
    const [first, waiting, cancelled, handedOver] = dues;
    await admitOne(store, lease, admission(first, [limit]));
    for (const due of [waiting, cancelled])
      assert.equal(await admitOne(store, lease, admission(due, [limit])), 'waits');
    const parked = { kind: 'handed_over', executor: null, queue, priority: 'medium', handler: 'gone' } as const;
    await store.park([{ ...parked, runId: handedOver.runId, due: handedOver, parkedAt: 0 }]);
    for (const { runId } of [cancelled, handedOver]) await cancelRun(runId);
    const taken = await store.takeCancelled(lease, 5);
    assert.deepEqual(ids(taken).sort(), [cancelled.runId, handedOver.runId].sort());
    assert.deepEqual(await store.takeCancelled(lease, 5), [], 'once');
  });

  it('lets nobody pass those who wait, nor the one that was just woken', async () => {
    const { store, lease, limit, dues } = await under(1);
    const first = admission(dues[0], [limit]);
    await admitOne(store, lease, first);
    await admitOne(store, lease, admission(dues[1], [limit]));
    await store.leave([first.ticket]);
    assert.equal(await admitOne(store, lease, admission(dues[2], [limit])), 'waits');
    await store.wakeWaiting();
    const taken = await store.takeParked(lease, 5);
    assert.deepEqual(ids(taken), [dues[1].runId], 'the place is meant for the one that was woken');
  });

  it('answers the same when it is asked again, because the answer was lost', async () => {
    const { store, lease, limit, dues } = await under(1);
    const [first, second] = [admission(dues[0], [limit]), admission(dues[1], [limit])];
    for (let count = 0; count < 2; count++) {
      assert.equal(await admitOne(store, lease, first), 'placed');
      assert.equal(await admitOne(store, lease, second), 'waits');
    }
    await store.leave([first.ticket]);
    assert.equal(await admitOne(store, lease, second), 'placed');
  });

  it('keeps the row of a run that waited when another one comes by with its record: its own offset may hold nothing', async () => {
    const { store, lease, limit, dues } = await under(1);
    const first = admission(dues[0], [limit]);
    assert.equal(await admitOne(store, lease, first), 'placed');
    assert.equal(await admitOne(store, lease, admission(dues[1], [limit])), 'waits', 'its record is let go');
    await store.leave([first.ticket]);
    const zombie = await openedLease(store);
    assert.equal(await admitOne(store, zombie, admission(dues[1], [limit])), 'placed');
    assert.deepEqual(ids(await store.takeParked(lease, 5)), [dues[1].runId]);
  });

  it('keeps the place of the next attempt when the former one is given back late', async () => {
    const { store, lease, limit, dues } = await under(1);
    const [former, next] = [admission(dues[0], [limit]), admission(dues[0], [limit])];
    await admitOne(store, lease, former);
    await admitOne(store, lease, next);
    await store.leave([former.ticket]);
    assert.equal(await admitOne(store, lease, admission(dues[1], [limit])), 'waits');
  });

  it('frees the places of a lease that was marked dead, and not before', async () => {
    const { store, lease, limit, dues } = await under(1);
    const doomed = await openedLease(store);
    await admitOne(store, doomed, admission(dues[0], [limit]));
    await admitOne(store, lease, admission(dues[1], [limit]));
    await harness().pass(2 * MINUTE_MS);
    await store.openLease(lease, MINUTE_MS);
    await store.wakeWaiting();
    assert.deepEqual(await store.takeParked(lease, 5), [], 'it ran out: its executor may still come back');
    await kill(store, doomed);
    await store.wakeWaiting();
    assert.deepEqual(ids(await store.takeParked(lease, 5)), [dues[1].runId]);
  });

  it('says of a run that ended, or that another executor has, that its row tells what to do', async () => {
    const { store, lease, limit, dues } = await under(1);
    const other = await openedLease(store);
    const { row } = await claimOne(store, other, dues[0]);
    assert.equal(await admitOne(store, lease, admission(dues[0], [limit])), 'known');
    await store.settle(other, [settlement(row)]);
    assert.equal(await admitOne(store, lease, admission(dues[0], [limit])), 'known');
    assert.equal(await admitOne(store, other, admission(dues[1], [limit])), 'placed', 'neither took a place');
  });

  it('says of a run that another executor is about to start that it is held, until that one is dead', async () => {
    const { store, lease, limit, dues } = await under(1);
    const doomed = await openedLease(store);
    assert.equal(await admitOne(store, doomed, admission(dues[0], [limit])), 'placed');
    assert.equal(await admitOne(store, lease, admission(dues[0], [limit])), 'held');
    await kill(store, doomed);
    assert.equal(await admitOne(store, lease, admission(dues[0], [limit])), 'placed');
  });

  it('parks a run again that was taken from there and is refused', async () => {
    const { store, lease, limit, dues } = await under(1);
    await store.park([detached(dues[1], lease)]);
    const first = admission(dues[0], [limit]);
    await admitOne(store, lease, first);
    assert.equal(await admitOne(store, lease, admission(dues[1], [limit], { parked: true })), 'waits');
    assert.deepEqual(await store.takeParked(lease, 5, []), [], 'it is nobody’s');
    await store.leave([first.ticket]);
    assert.deepEqual(ids(await store.takeParked(lease, 5)), [dues[1].runId]);
  });

  it('counts starts within a second for a limit per second, however soon the runs end', async () => {
    const { store, lease, limit, dues } = await under(2, true);
    const admissions = dues.slice(0, 3).map((due) => admission(due, [limit]));
    assert.deepEqual(await store.admit(lease, admissions), ['placed', 'placed', 'waits']);
    assert.equal(await store.leave(admissions.map(({ ticket }) => ticket)), 0);
    await store.wakeWaiting();
    assert.deepEqual(await store.takeParked(lease, 5), []);
    await harness().pass(1_000);
    await store.wakeWaiting();
    assert.deepEqual(ids(await store.takeParked(lease, 5)), [dues[2].runId]);
  });

  it('refuses a lease that is dead', async () => {
    const { store, lease, limit, dues } = await under(1);
    await kill(store, lease);
    assert.equal(await codeOf(store.admit(lease, [admission(dues[0], [limit])])), 'lease_lost');
  });

  it('never lets more in than the limit, however many ask at once', async () => {
    const { store, limit, handlers, queue } = await under(3);
    const leases = await Promise.all(Array.from({ length: 4 }, () => openedLease(store, { queue, handlers })));
    const dues = Array.from({ length: 40 }, () => newDue({ queue }));
    const asked = leases.flatMap((lease, index) =>
      dues.filter((_, n) => n % 4 === index).map((due) => admitOne(store, lease, admission(due, [limit]))),
    );
    const outcomes = await Promise.all(asked);
    assert.ok(outcomes.filter((outcome) => outcome === 'placed').length <= 3);
    assert.ok(outcomes.includes('placed'));
  });
}

function ids(runs: readonly { runId: string }[]): string[] {
  return runs.map(({ runId }) => runId);
}

/** The id of a run of this millisecond: ids ascend with their times. */
function runIdAt(ms: number): string {
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}${randomUUID().slice(13)}`;
}
