/** Records of a user's own topics as events: whatever one of them holds, the others go on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { MemoryBroker } from '../../../services/adapters/memory/broker.ts';
import { Records } from '../../../services/core/events.ts';
import type { ConsumedRecord } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { EventSources } from '../../../services/timer/event-sources.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG } from '../cli/support.ts';

test('a record that no event can be made of is rejected with the reason, and those behind it are events', async () => {
  const clock = new VirtualClock();
  const topics = topicsOf('');
  const memory = new MemoryBroker({ clock });
  for (const topic of [topics.commands, topics.rejected]) memory.createTopic(topic, 4);
  memory.createTopic('orders', 1);
  const broker = memory.client('timer');
  const records = new Records({ topics, partitions: 4, codec: jsonCodec(), source: '/test' });
  const sources = new EventSources({
    ...{ broker, clock, log: NO_LOG, records, prefix: '', instance: 'timer-1' },
    sources: [{ topic: 'orders', tenant: 'acme', event: 'order' }],
    onFatal: (error) => assert.fail(error),
  });
  const seen: ConsumedRecord[] = [];
  void broker.tail({
    ...{ topics: [topics.commands, topics.rejected], from: 'beginning', isolation: 'read_committed' },
    onRecord: (record) => seen.push(record),
  });
  // JSON that can be read, and not be written again: it is too deep for that.
  const deep = `${'['.repeat(60_000)}${']'.repeat(60_000)}`;
  const values = ['{"order":1}', deep, '{"order":2}'].map((value) => Buffer.from(value));
  void (await broker.producer()).send(
    values.map((value) => ({ topic: 'orders', partition: 0, key: null, value, headers: {} })),
  );
  await sources.start();
  await clock.until(() => seen.length === 3, 'two events and a rejection');
  const rejected = seen.find(({ topic }) => topic === topics.rejected)!;
  assert.deepEqual([rejected.headers.belfry_error_code, rejected.headers.belfry_origin_offset], ['invalid', '1']);
  assert.ok(rejected.value!.equals(values[1]!), 'the bytes as they came');
  const events = seen.filter(({ topic }) => topic === topics.commands);
  const orders = events.map(({ value }) => (JSON.parse(String(value)) as { payload: unknown }).payload);
  assert.deepEqual(orders, [
    { value: { order: 1 }, key: null, headers: {} },
    { value: { order: 2 }, key: null, headers: {} },
  ]);
  await sources.stop();
});
