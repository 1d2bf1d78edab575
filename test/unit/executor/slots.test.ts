import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Cluster } from './harness.ts';
import { eachWithCluster, forever, type Node } from './harness.ts';
import { Slots } from '../../../services/executor/slots.ts';

describe('slots shared among tenants', () => {
  let cluster: Cluster;
  eachWithCluster((fresh) => (cluster = fresh));

  const runningOf = (node: Node): number => node.executor.stats().running;
  const dues = (tenant: string, count: number, handler = 'forever') =>
    Array.from({ length: count }, () => cluster.due({ tenant, handler }));

  it('go all to a tenant that is alone, and not one more', async () => {
    const node = cluster.start({ forever }, { slots: 10 });
    await cluster.live(node);
    await cluster.fire(...dues('hog', 30));
    await cluster.clock.until(() => runningOf(node) === 10, 'all slots run');
    await cluster.clock.advance(5_000);
    assert.equal(runningOf(node), 10);
  });

  it('let a run of another tenant start at once, though one holds them all and never ends', async () => {
    const node = cluster.start({ forever, quick: () => 1 }, { slots: 10 });
    await cluster.live(node);
    await cluster.fire(...dues('hog', 130));
    await cluster.clock.until(() => runningOf(node) === 10, 'all slots run');
    for (const due of dues('honest', 5, 'quick')) {
      await cluster.fire(due);
      await cluster.untilOutcome(due, 1_000);
    }
    assert.equal(runningOf(node), 10);
  });

  it('leave room for a third tenant when a second one never ends either', async () => {
    const node = cluster.start({ forever, quick: () => 1 }, { slots: 20 });
    await cluster.live(node);
    await cluster.fire(...dues('hog', 60));
    await cluster.clock.until(() => runningOf(node) === 20, 'all slots run');
    await cluster.fire(...dues('pig', 60));
    await cluster.clock.advance(2_000);
    const [due] = dues('honest', 1, 'quick');
    await cluster.fire(due!);
    await cluster.untilOutcome(due!, 1_000);
  });

  it('go, as they become free, to the tenant that has less than its share, whatever waits before it', async () => {
    const sleepy = (): Promise<void> => cluster.clock.sleep(1_000);
    const node = cluster.start({ sleepy, forever }, { slots: 10 });
    await cluster.live(node);
    await cluster.fire(...dues('hog', 200, 'sleepy'));
    await cluster.clock.until(() => runningOf(node) === 10, 'all slots run');
    const honest = dues('honest', 10, 'forever');
    await cluster.fire(...honest);
    await cluster.clock.advance(2_500);
    assert.equal(honest.filter((due) => cluster.status(due) === 'RUNNING').length, 5, 'its half of the slots');
  });

  it('are found by a parked run of another tenant, though one holds them all', async () => {
    const node = cluster.start({ forever, quick: () => 1 }, { slots: 10 });
    await cluster.live(node);
    await cluster.fire(...dues('hog', 130));
    await cluster.clock.until(() => runningOf(node) === 10, 'all slots run');
    const stranger = cluster.start({ other: () => 1 }, { slots: 10 });
    await cluster.live(stranger);
    const theirs = dues('honest', 20, 'quick');
    await cluster.fire(...theirs);
    for (const due of theirs) await cluster.untilOutcome(due, 5_000);
  });
});

describe('spare slots', () => {
  it('are there in every executor, however few slots it has', () => {
    const slots = new Slots(1, new Map());
    assert.equal(slots.acquire({ tenant: 'hog', handler: 'x' }), true);
    const share = slots.shareAmong(['hog', 'honest']);
    assert.equal(slots.free, 0);
    assert.equal(slots.isOwed('hog', share), false);
    assert.equal(slots.isOwed('honest', share), true);
    assert.equal(slots.acquire({ tenant: 'honest', handler: 'x' }), true);
    assert.equal(slots.acquire({ tenant: 'third', handler: 'x' }), false, 'none is left');
  });
});
