/** What was found by simulation at the end of a lease: nothing starts, or goes on, when others may have taken over. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { Cluster, unavailable } from './harness.ts';

describe('executors at the end of their lease', () => {
  let cluster: Cluster;
  beforeEach(() => {
    cluster = new Cluster(1);
  });
  afterEach(() => cluster.stop());

  it('do not start a run that they claimed before they stood still', async () => {
    const starts: string[] = [];
    const zombie = cluster.start({ work: () => void starts.push('zombie') });
    await cluster.live(zombie);
    const due = cluster.due();
    zombie.storeFault = (method, when) => {
      if (method === 'claim' && when === 'after') zombie.freeze();
    };
    await cluster.fire(due);
    const heir = cluster.start({ work: () => void starts.push('heir') });
    await cluster.live(heir);
    await cluster.untilOutcome(due);
    zombie.storeFault = null;
    zombie.thaw();
    await cluster.clock.advance(10_000);
    assert.deepEqual(starts, ['heir']);
  });

  it('start it after all when they come back in time', async () => {
    const starts: string[] = [];
    const node = cluster.start({ work: () => void starts.push('late') });
    await cluster.live(node);
    const due = cluster.due();
    node.storeFault = (method, when) => {
      if (method === 'claim' && when === 'after') node.freeze();
    };
    await cluster.fire(due);
    await cluster.clock.advance(10_000);
    node.storeFault = null;
    node.thaw();
    assert.equal((await cluster.untilOutcome(due)).status, 'COMPLETED');
    assert.deepEqual(starts, ['late']);
  });

  it('abort their runs before another may take them over', async () => {
    let abortedAt = Infinity;
    const node = cluster.start({
      work: async ({ signal }: HandlerContext) => {
        await cluster.clock.sleep(60_000, signal);
        abortedAt = Math.min(abortedAt, cluster.clock.now());
        signal.throwIfAborted();
      },
    });
    await cluster.live(node);
    const due = cluster.due();
    await cluster.fire(due);
    await cluster.running(due);
    node.storeFault = (method) => {
      if (method === 'renewLease') throw unavailable();
    };
    const [lease] = cluster.db.leases.values();
    await cluster.clock.advance(7_000);
    node.storeFault = null;
    assert.ok(abortedAt <= lease!.expiresAt, `${abortedAt - lease!.expiresAt} ms after the end`);
  });
});
