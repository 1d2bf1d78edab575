import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionOf } from '../../../services/core/murmur2.ts';
import { Cluster, P } from './harness.ts';

test('`in` of a record without a time counts from now', async () => {
  const cluster = await Cluster.up();
  const job = { type: 'CUSTOM', handler: 'work', schedule: { in: '5m' } };
  const value = JSON.stringify({
    type: 'schedule',
    commandId: 'timeless',
    tenant: 'acme',
    jobId: 'job',
    ack: true,
    job,
  });
  const place = { topic: cluster.topics.commands, partition: partitionOf('acme/job', P) };
  const record = { ...place, key: Buffer.from('acme/job'), value: Buffer.from(value), headers: {} };
  cluster.broker.logOf(place)!.append(record, -1, null);
  const sentAt = cluster.clock.now();
  await cluster.ask({ type: 'pause', jobId: 'job' }); // wakes the reader
  const { anchorAt, nextAt } = cluster.job();
  assert.ok(anchorAt >= sentAt && anchorAt <= sentAt + 1_000, `counted from ${new Date(anchorAt).toISOString()}`);
  assert.equal(nextAt, anchorAt + 300_000);
});
