import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryTenants } from '../../../services/adapters/memory/tenants.ts';
import type { Cluster } from './harness.ts';
import { eachWithCluster, unavailable } from './harness.ts';

describe('limits of tenants', () => {
  let cluster: Cluster;
  eachWithCluster((fresh) => (cluster = fresh));

  it('hold from the first run of an executor on, though the store did not tell them when it began', async () => {
    const stored = new MemoryTenants(cluster.db);
    await stored.set('acme', { concurrentRuns: 1 });
    const tellsFrom = cluster.clock.now() + 3_000;
    const tenants = Object.assign(new MemoryTenants(cluster.db), {
      list: async () => {
        if (cluster.clock.now() < tellsFrom) throw unavailable();
        return stored.list();
      },
    });
    let [running, most] = [0, 0];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running);
      await cluster.clock.sleep(500);
      running--;
    };
    await cluster.live(cluster.start({ work }, { tenants }));
    const dues = [cluster.due(), cluster.due(), cluster.due()];
    await cluster.fire(...dues);
    for (const due of dues) assert.equal((await cluster.untilOutcome(due)).status, 'COMPLETED');
    assert.equal(most, 1);
  });
});
