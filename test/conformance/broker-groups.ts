import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type {
  Broker,
  GroupConsumer,
  GroupListener,
  GroupOptions,
  TopicPartition,
} from '../../services/core/ports/broker.ts';
import { record, Recorder, unique, until } from './broker-support.ts';
import type { BrokerHarness } from './broker-support.ts';

/** The part of the suite that concerns consumer groups. */
export function brokerGroupConformance(harnessOf: () => BrokerHarness): void {
  const optionsOf = (topics: readonly string[], more: Partial<GroupOptions> = {}): GroupOptions => ({
    groupId: unique('group'),
    topics,
    memberName: unique('member'),
    copartitioned: false,
    isolation: 'read_committed',
    sessionTimeoutMs: harnessOf().sessionTimeoutMs,
    ...more,
  });
  const join = async (options: GroupOptions, listener: GroupListener, broker: Broker = harnessOf().client()) => {
    const consumer = broker.group(options, listener);
    await consumer.start();
    return consumer;
  };
  const joined = async (
    options: GroupOptions,
    position?: Recorder['position'],
  ): Promise<{ consumer: GroupConsumer; recorder: Recorder }> => {
    const recorder = new Recorder(position);
    const consumer = await join(options, recorder);
    await until('the member has joined', () => recorder.assignment.length > 0);
    return { consumer, recorder };
  };
  const send = async (topic: string, partition: number, values: readonly string[]): Promise<void> => {
    const producer = await harnessOf().client().producer();
    await producer.send(values.map((value) => record(topic, partition, value)));
  };
  const another = (options: GroupOptions): GroupOptions => ({ ...options, memberName: unique('member') });

  describe('a group', () => {
    it('divides the partitions among its members, the same numbers of all topics to one, and keeps owners', async () => {
      const topics = [await harnessOf().createTopic(12), await harnessOf().createTopic(12)];
      const [a, b] = topics as [string, string];
      const options = optionsOf(topics, { copartitioned: true });
      const first = await joined(options);
      assert.equal(first.recorder.held(a).length, 12);
      const second = await joined(another(options));
      await until('the first has given half', () => first.recorder.held(a).length === 6);
      for (const { recorder } of [first, second]) assert.deepEqual(recorder.held(a), recorder.held(b));
      const all = [...first.recorder.held(a), ...second.recorder.held(a)].sort((x, y) => x - y);
      assert.deepEqual(all, [...Array(12).keys()]);
      assert.deepEqual(first.recorder.held(a), [0, 1, 2, 3, 4, 5]);
      await second.consumer.stop();
      assert.deepEqual(second.recorder.assignment, []);
      await until('the first has all again', () => first.recorder.held(a).length === 12);
      const third = await joined(another(options));
      await until('half has gone again', () => first.recorder.held(a).length === 6);
      assert.equal(third.recorder.held(a).length, 6);
      assert.deepEqual(first.recorder.held(a), [0, 1, 2, 3, 4, 5]);
      await first.consumer.stop();
      await third.consumer.stop();
    });

    it('gives the partitions of a member that died to another when its session has ended', async () => {
      const topic = await harnessOf().createTopic(4);
      const options = optionsOf([topic]);
      const mortal = await harnessOf().mortalMember(options);
      const { consumer, recorder } = await joined(another(options));
      await until('both have their half', () => mortal.assignment().length === 2 && recorder.held(topic).length === 2);
      mortal.kill();
      await until('the other has all', () => recorder.held(topic).length === 4);
      await consumer.stop();
    });

    it('hears of accepted heartbeats', async () => {
      const { consumer, recorder } = await joined(optionsOf([await harnessOf().createTopic(1)]));
      await until('a heartbeat was accepted', () => recorder.heartbeats > 0);
      await consumer.stop();
    });

    it('starts where the listener says: an offset, the committed one, or nowhere before it is told', async () => {
      const topic = await harnessOf().createTopic(4);
      const options = optionsOf([topic]);
      for (const partition of [0, 1, 2, 3]) await send(topic, partition, ['a', 'b', 'c']);
      const producer = await harnessOf().client().transactional(unique('tx'));
      await producer.transact([], [{ groupId: options.groupId, topic, partition: 1, offset: 2n }]);
      const { consumer, recorder } = await joined(options, ({ partition }) =>
        partition === 0 ? 1n : partition === 3 ? 'hold' : 'committed',
      );
      await until('the others are read', () => recorder.values().length === 6);
      assert.deepEqual(
        [0, 1, 2, 3].map((partition) => recorder.values(partition)),
        [['b', 'c'], ['c'], ['a', 'b', 'c'], []],
      );
      const [batch] = recorder.batches.filter(({ partition }) => partition === 0);
      assert.deepEqual([batch?.fetchedOffset, batch?.nextOffset, batch?.highWatermark], [1n, 3n, 3n]);
      consumer.seek({ topic, partition: 3 }, 1n);
      await until('the held one is read', () => recorder.values(3).length === 2);
      await consumer.stop();
    });

    it('asks for the position again at every rejoin, and reads nothing twice or not at all', async () => {
      const topic = await harnessOf().createTopic(2);
      const options = optionsOf([topic]);
      const next = new Map<number, bigint>();
      const recorder = new Recorder(({ partition }) => next.get(partition) ?? 0n);
      const onBatch = recorder.onBatch.bind(recorder);
      recorder.onBatch = (batch) => {
        assert.equal(batch.fetchedOffset, next.get(batch.partition) ?? 0n);
        next.set(batch.partition, batch.nextOffset);
        onBatch(batch);
      };
      const consumer = await join(options, recorder);
      const expected: string[] = [];
      for (let round = 0; round < 4; round += 1) {
        for (const partition of [0, 1]) await send(topic, partition, [`${round}/${partition}`]);
        expected.push(`${round}/0`, `${round}/1`);
        await until('the round is read', () => recorder.values().length >= expected.length);
        const guest = await joined(another(options), () => 'hold');
        await guest.consumer.stop();
        await until('all partitions are back', () => recorder.held(topic).length === 2);
      }
      assert.deepEqual(recorder.values().sort(), expected.sort());
      assert.equal(recorder.fatal, undefined);
      await consumer.stop();
    });

    it('delivers again after a seek back', async () => {
      const topic = await harnessOf().createTopic(1);
      await send(topic, 0, ['a', 'b']);
      const { consumer, recorder } = await joined(optionsOf([topic]));
      await until('both are read', () => recorder.values().length === 2);
      consumer.seek({ topic, partition: 0 }, 0n);
      await until('both are read again', () => recorder.values().length === 4);
      assert.deepEqual(recorder.values(), ['a', 'b', 'a', 'b']);
      consumer.seek({ topic, partition: 9 }, 0n);
      await consumer.stop();
    });

    it('obeys a seek from within a batch', async () => {
      const topic = await harnessOf().createTopic(1);
      await send(topic, 0, ['a']);
      const recorder = new Recorder();
      const onBatch = recorder.onBatch.bind(recorder);
      recorder.onBatch = (batch) => {
        onBatch(batch);
        if (recorder.batches.length === 1) consumer.seek({ topic, partition: 0 }, 0n);
      };
      const consumer = await join(optionsOf([topic]), recorder);
      await until('it is read twice', () => recorder.values().length === 2);
      await send(topic, 0, ['b']);
      await until('it goes on', () => recorder.values().length === 3);
      assert.deepEqual(recorder.values(), ['a', 'a', 'b']);
      await consumer.stop();
    });

    it('reads no paused partition, and all of it when it is resumed', async () => {
      const topic = await harnessOf().createTopic(2);
      const { consumer, recorder } = await joined(optionsOf([topic]));
      const paused: TopicPartition = { topic, partition: 0 };
      consumer.pause([paused]);
      await send(topic, 0, ['a', 'b']);
      await send(topic, 1, ['other']);
      await until('the other is read', () => recorder.values().length > 0);
      await send(topic, 1, ['another']);
      await until('another is read', () => recorder.values(1).length === 2);
      assert.deepEqual(recorder.values(0), []);
      consumer.resume([paused]);
      await until('it is read', () => recorder.values(0).length === 2);
      await consumer.stop();
    });

    it('hands over batches that join without gaps over markers and aborted records', async () => {
      const topic = await harnessOf().createTopic(1);
      const { consumer, recorder } = await joined(optionsOf([topic]), () => 0n);
      const producer = await harnessOf().client().transactional(unique('tx'));
      const lost = unique('tx');
      for (const value of ['a', 'b', 'c']) {
        await producer.transact([record(topic, 0, value)], []);
        await until('it is read', () => recorder.values().includes(value));
        await harnessOf().abandonTransaction(lost, [record(topic, 0, 'aborted')]);
        await harnessOf().client().fence(lost);
      }
      await send(topic, 0, ['d']);
      await until('all are read', () => recorder.values().length === 4);
      assert.deepEqual(recorder.values(), ['a', 'b', 'c', 'd']);
      let next = 0n;
      for (const batch of recorder.batches) {
        assert.equal(batch.fetchedOffset, next);
        next = batch.nextOffset;
      }
      await consumer.stop();
    });

    it('with a position behind the end of the log hands over records that betray it', async () => {
      const topic = await harnessOf().createTopic(1);
      await send(topic, 0, ['a']);
      const { consumer, recorder } = await joined(optionsOf([topic]), () => 5n);
      await until('something is read', () => recorder.batches.length > 0);
      assert.equal(recorder.batches[0]?.fetchedOffset, 0n);
      await consumer.stop();
    });

    it('lets a zombie commit offsets: only the epoch of a transactional id fences', async () => {
      const topic = await harnessOf().createTopic(1);
      const options = optionsOf([topic]);
      await send(topic, 0, ['a', 'b', 'c']); // kafkajs, reading a position behind the end, would commit "earliest" over it
      const { consumer } = await joined(options);
      const zombie = await harnessOf().client().transactional(unique('tx'));
      await zombie.transact([], [{ groupId: options.groupId, topic, partition: 0, offset: 3n }]);
      await zombie.init(); // a commit is answered a moment before others see it: who takes the id next waits for that
      assert.equal(await harnessOf().client().committed(options.groupId, { topic, partition: 0 }), 3n);
      await consumer.stop();
    });

    it('tells a listener that throws, once, and reads no more', async () => {
      const topic = await harnessOf().createTopic(1);
      const recorder = new Recorder();
      recorder.onBatch = () => {
        throw new TypeError('a mistake');
      };
      await join(optionsOf([topic]), recorder);
      await send(topic, 0, ['a']);
      await until('the listener is told', () => recorder.fatal !== undefined);
      assert.equal(recorder.fatal?.message, 'a mistake');
      assert.deepEqual(recorder.assignment, []);
    });
  });
}
