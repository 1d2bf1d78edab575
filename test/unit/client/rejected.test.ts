import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { MemoryBroker } from '../../../services/adapters/memory/broker.ts';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryRejections } from '../../../services/adapters/memory/rejections.ts';
import { readRejected } from '../../../services/client/rejected.ts';
import { rejectedRecordOf } from '../../../services/core/rejected-record.ts';
import { topicsOf } from '../../../services/core/topics.ts';

const clock = new SystemClock();
const topics = topicsOf('');
const VALUE = Buffer.alloc(300_000, 'x');
const NO = { code: 'invalid', message: 'no' } as const;

async function world() {
  const cluster = new MemoryBroker({ clock, latencyMs: 0 });
  for (const topic of [topics.commands, topics.rejected]) cluster.createTopic(topic, 2);
  const broker = cluster.client('reader');
  const rejections = new MemoryRejections(new MemoryDatabase({ partitions: 2, now: () => clock.now() }));
  const producer = await broker.producer();
  const write = (topic: string, headers: Record<string, string> = {}) =>
    producer.send([
      { topic, partition: 0, key: null, value: Buffer.from('another'), headers: {} },
      { topic, partition: 1, key: null, value: Buffer.from('another'), headers: {} },
      { topic, partition: 1, key: Buffer.from('acme/a'), value: VALUE, headers },
    ]);
  return { deps: { rejections, broker: () => broker, clock, topics }, write };
}

const recordAt = (topic: string, offset: bigint) => ({
  ...{ topic, partition: 1, offset, timestampMs: clock.now(), headers: {} },
  ...{ key: Buffer.from('acme/a'), value: VALUE },
});

void test('a rejected command is shown whole, however long, from where it came', async () => {
  const { deps, write } = await world();
  await write(topics.commands, { traceparent: '00-1' });
  const found = rejectedRecordOf(recordAt(topics.commands, 1n), NO, {}, clock.now());
  const { place, value, truncated, headers } = await readRejected(deps, found);
  assert.deepEqual([place, value, truncated], ['1-1', String(VALUE), false]);
  assert.equal(headers.traceparent, '00-1');
});

void test('one that came from a transaction is shown from job.commands.rejected', async () => {
  const { deps, write } = await world();
  await write(topics.rejected, {
    ...{ belfry_origin_topic: 'enqueued', belfry_origin_partition: '1', belfry_origin_offset: '7' },
    ...{ belfry_error_code: 'invalid', belfry_error_message: 'no' },
  });
  const told = await readRejected(deps, rejectedRecordOf(recordAt('enqueued', 7n), NO, {}, clock.now()));
  assert.deepEqual([told.place, told.value], ['enqueued-1-7', String(VALUE)]);
});

void test('what Kafka keeps no longer is shown by its beginning, and says so', async () => {
  const { deps, write } = await world();
  await write(topics.commands);
  for (const origin of [recordAt(topics.commands, 9n), recordAt('enqueued', 8n)]) {
    const told = await readRejected(deps, rejectedRecordOf(origin, NO, {}, clock.now()));
    assert.deepEqual([told.value, told.truncated, told.size], ['x'.repeat(1_024), true, VALUE.length]);
  }
});
