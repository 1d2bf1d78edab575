/** Records of partitions beyond the job space, as a timer passes them on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBroker, type BrokerFaults } from '../../../services/adapters/memory/broker.ts';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { Records } from '../../../services/core/events.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import type { Broker, FetchedBatch } from '../../../services/core/ports/broker.ts';
import type { ConsumedRecord } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { foreignPartitions } from '../../../services/timer/foreign-partitions.ts';
import type { Relay } from '../../../services/timer/relay.ts';
import { override } from '../../simulation/override.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG } from '../cli/support.ts';

const P = 4;
const topics = topicsOf('');
const clock = new VirtualClock();

function brokerWith(faults: BrokerFaults = {}): Broker {
  const broker = new MemoryBroker({ clock, faults });
  for (const topic of [topics.commands, topics.completed]) broker.createTopic(topic, P + 2);
  return broker.client('timer');
}

const records = new Records({ topics, partitions: P, codec: jsonCodec(), source: '/test' });
const relayOf = (broker: Broker): Relay =>
  foreignPartitions({ broker, clock, log: NO_LOG, groupId: 'timers', records, topics, partitions: P, prefix: '' });

function batchOf(topic: string, keys: readonly string[]): FetchedBatch {
  const place = { topic, partition: P + 1 };
  const records = keys.map((key, index) => {
    const [offset, value] = [BigInt(index), Buffer.from(`of ${key}`)];
    return { ...place, offset, timestampMs: 0, key: Buffer.from(key), value, headers: {} };
  });
  const nextOffset = BigInt(keys.length);
  return { ...place, fetchedOffset: 0n, nextOffset, highWatermark: nextOffset, records };
}

test('commands beyond the job space come to the partition of their key, and the position goes with them', async () => {
  let failures = 2;
  const broker = brokerWith({
    before: (_client, request) => {
      if (request === 'commit' && failures-- > 0) throw new BelfryError('broker_unavailable', 'away');
    },
  });
  const seen: ConsumedRecord[] = [];
  const topicsRead = [topics.commands, topics.completed];
  const tail = broker.tail({
    topics: topicsRead,
    from: 'beginning',
    isolation: 'read_committed',
    onRecord: (r) => seen.push(r),
  });
  const relay = relayOf(broker);
  const keys = ['acme/a', 'acme/b', 'acme/c'];
  const done = { last: false };
  void relay.accept(batchOf(topics.completed, keys));
  void relay.accept(batchOf(topics.commands, keys)).then(() => (done.last = true));
  await clock.until(() => done.last && seen.length >= keys.length, 'all are passed on');
  await tail;
  const told = seen.map(({ topic, key, value, partition }) => [topic, String(key), String(value), partition]);
  const expected = keys.map((key) => [topics.commands, key, `of ${key}`, partitionOf(key, P)]);
  assert.deepEqual(told.sort(), expected.sort());
  for (const topic of topicsRead) {
    const position = broker.committed('timers', { topic, partition: P + 1 });
    await clock.advance(10);
    assert.equal(await position, 3n, topic);
  }
});

test('a try that failed is over before the next one takes its transactional id', async () => {
  const calls: string[] = [];
  const broker = override<Broker>(brokerWith(), {
    transactional: async (id) => {
      const call = calls.push(id);
      return {
        init: async () => {},
        transact: async () => {
          calls.push('transact');
          if (call === 1) throw new BelfryError('broker_unavailable', 'no answer in time');
        },
        close: async () => void calls.push('close'),
      };
    },
  });
  const relay = relayOf(broker);
  const done = { passedOn: false };
  void relay.accept(batchOf(topics.commands, ['acme/a'])).then(() => (done.passedOn = true));
  await clock.until(() => done.passedOn, 'it is passed on');
  await relay.close();
  const id = `belfry-forward-${P + 1}`;
  assert.deepEqual(calls, [id, 'transact', 'close', id, 'transact', 'close']);
});

test('a record that Kafka never takes is rejected by itself, whole or else without its bytes; its neighbours go on', async () => {
  const memory = new MemoryBroker({ clock, maxRecordBytes: 1_000 });
  for (const topic of [topics.commands, topics.completed, topics.rejected]) memory.createTopic(topic, P + 2);
  let transactions = 0;
  const client = memory.client('timer');
  const broker = override<Broker>(client, {
    transactional: async (id) => {
      const producer = await client.transactional(id);
      return override<typeof producer>(producer, {
        transact: (...args) => {
          transactions++;
          return producer.transact(...args);
        },
      });
    },
  });
  const seen: ConsumedRecord[] = [];
  const read = {
    from: 'beginning',
    isolation: 'read_committed',
    onRecord: (r: ConsumedRecord) => seen.push(r),
  } as const;
  void broker.tail({ topics: [topics.commands, topics.rejected], ...read });
  const keys = Array.from({ length: 64 }, (_, index) => `acme/${index}`);
  const batch = batchOf(topics.commands, keys);
  batch.records[20]!.value = Buffer.alloc(2_000);
  const done = { passedOn: false };
  void relayOf(broker)
    .accept(batch)
    .then(() => (done.passedOn = true));
  await clock.until(() => done.passedOn && seen.length === 64, 'all are passed on, or rejected');
  const [rejected, ...others] = seen.filter(({ topic }) => topic === topics.rejected);
  assert.equal(others.length, 0);
  assert.deepEqual([rejected!.headers.belfry_error_code, rejected!.value], ['too_large', null]);
  assert.deepEqual([rejected!.headers.belfry_origin_offset, String(rejected!.key)], ['20', 'acme/20']);
  assert.ok(transactions < 20, `${transactions} transactions`);
  const position = broker.committed('timers', { topic: topics.commands, partition: P + 1 });
  await clock.advance(10);
  assert.equal(await position, 64n);
});

test('partitions are paused while many batches wait, and resumed when they went on', async () => {
  let isAway = true;
  const broker = brokerWith({
    before: (_client, request) => {
      if (isAway && request === 'commit') throw new BelfryError('broker_unavailable', 'away');
    },
  });
  const relay = relayOf(broker);
  const calls: string[] = [];
  relay.attach({ pause: () => calls.push('pause'), resume: () => calls.push('resume') });
  let passedOn = 0;
  for (let index = 0; index < 8; index++)
    void relay.accept(batchOf(topics.commands, ['acme/a'])).then(() => passedOn++);
  assert.deepEqual(calls, ['pause']);
  isAway = false;
  await clock.until(() => passedOn === 8, 'all are passed on');
  assert.deepEqual(calls, ['pause', 'resume']);
  assert.equal(relay.held, 0);
});
