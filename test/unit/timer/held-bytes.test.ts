import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import { Cluster, P } from './harness.ts';

const KIB = 1024;

test('large commands that cannot be applied yet are read up to a bound over all partitions, and all applied in the end', async () => {
  const cluster = await Cluster.up({ heldBytes: 3 * P * 250 * KIB });
  let isAway = true;
  cluster.storeFault = (_node, method) => {
    if (isAway && ['read', 'databaseNow'].includes(method))
      throw new BelfryError('store_unavailable', 'away', { retryable: true });
  };
  const jobIds = Array.from({ length: 160 }, (_, n) => `large-${n}`);
  for (const jobId of jobIds) {
    await cluster.schedule({ schedule: { every: '1h' }, payload: 'x'.repeat(100 * KIB) }, { jobId });
    await cluster.clock.advance(20);
  }
  await cluster.clock.advance(1_000);
  const inEach = Array.from({ length: P }, (_, p) => jobIds.filter((id) => partitionOf(`acme/${id}`, P) === p).length);
  assert.ok(Math.min(...inEach) > 20);
  const { held } = cluster.nodes[0]!.timer.stats();
  assert.ok(held >= P * 2 && held <= P * 5, `${held} commands are held`);
  isAway = false;
  await cluster.until(() => cluster.acks.length >= jobIds.length, 'all are applied');
  assert.equal(cluster.db.jobs.size, jobIds.length);
});
