import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { FetchedBatch, GroupListener } from '../../../services/core/ports/broker.ts';
import { override } from '../../simulation/override.ts';
import { Cluster } from './harness.ts';

test('a timer outlives a gap in its records while the broker cannot tell what it holds', async (t) => {
  const listeners: GroupListener[] = [];
  const cluster = new Cluster();
  const make = cluster.broker.client.bind(cluster.broker);
  t.mock.method(cluster.broker, 'client', (name?: string) => {
    const client = make(name);
    return override(client, {
      group: (options, listener) => {
        listeners.push(listener);
        return client.group(options, listener);
      },
    });
  });
  const unhandled: unknown[] = [];
  const note = (thrown: unknown): void => void unhandled.push(thrown);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));

  const { timer } = cluster.start();
  await cluster.until(() => timer.ready().ok, 'the timer is ready');
  await cluster.clock.advance(2_000);
  cluster.faults.before = (_client, request) => {
    if (request === 'ask') throw new BelfryError('broker_unavailable', 'away', { retryable: true });
  };
  const gap: FetchedBatch = {
    ...{ topic: cluster.topics.commands, partition: 0, fetchedOffset: 7n, nextOffset: 8n, highWatermark: 8n },
    records: [],
  };
  listeners[0]!.onBatch(gap);
  await cluster.clock.advance(1_000);
  assert.deepEqual(unhandled, []);
  delete cluster.faults.before;
  assert.ok(timer.ready().ok);
});
