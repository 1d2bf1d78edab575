/** Whatever keeps a partition from deciding, or a lane from producing, is said by ready(). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { Cluster, P } from './harness.ts';

const away = (): BelfryError => new BelfryError('broker_unavailable', 'away', { retryable: true });
const reasonsOf = (cluster: Cluster, node = 0): string => cluster.nodes[node]!.timer.ready().reasons.join('; ');

test('a partition whose outbox cannot be read is tried again and said, not given up; others go on', async () => {
  const cluster = new Cluster();
  cluster.db.outbox.set(1, [{ partition: 1, seq: 1, lane: 'plain', body: Buffer.from([255, 1, 2]) }]);
  const node = cluster.start();
  await cluster.until(() => node.timer.stats().partitionsOwned === P - 1, 'the others are owned');
  await cluster.clock.advance(30_000);
  assert.match(reasonsOf(cluster), /partition 1 cannot be taken: /);
  cluster.db.outbox.set(1, []);
  await cluster.until(() => node.timer.ready().ok, 'all are owned', 10_000);
  assert.equal(node.timer.stats().partitionsOwned, P);
});

test('the lane of messages that cannot write is said, and when it can again, too', async () => {
  const cluster = await Cluster.up();
  let isAway = true;
  cluster.faults.before = (_client, request) => {
    if (isAway && request === 'begin') throw away();
  };
  const message = { type: 'KAFKA_MESSAGE', handler: undefined, payload: { topic: 'orders', value: 'v' } };
  await cluster.put({ ...message, schedule: { in: '1s' } });
  await cluster.until(() => /cannot publish messages of partition \d: away/.test(reasonsOf(cluster)), 'it is said');
  isAway = false;
  await cluster.until(() => cluster.messages.length === 1, 'the message comes');
  await cluster.until(() => cluster.nodes[0]!.timer.ready().ok, 'all is well');
});

test('a partition that still produces what its former owner left is said', async () => {
  const cluster = await Cluster.up();
  cluster.storeFault = (node, method, when) => {
    if (node === 'timer-1' && method === 'step' && when === 'after') cluster.nodes[0]!.kill();
  };
  await cluster.schedule({ schedule: { every: '1s' } });
  await cluster.clock.advance(5_000);
  cluster.faults.before = (client, request) => {
    if (client === 'timer-2' && request === 'send') throw away();
  };
  const heir = cluster.start();
  await cluster.until(() => heir.timer.stats().partitionsOwned === P, 'it has all partitions', 30_000);
  assert.match(reasonsOf(cluster, 1), /partition \d is recovering: 1 outbox rows are left to produce/);
  delete cluster.faults.before;
  await cluster.until(() => heir.timer.ready().ok, 'it has recovered');
});
