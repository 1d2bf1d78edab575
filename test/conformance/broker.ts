import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { BelfryError } from '../../services/core/errors.ts';
import { brokerGroupConformance } from './broker-groups.ts';
import { openTail, record, unique, until, valuesOf } from './broker-support.ts';
import type { BrokerHarness } from './broker-support.ts';

const hasCode =
  (code: string, retryable: boolean) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof BelfryError, String(error));
    assert.deepEqual([error.code, error.retryable], [code, retryable], error.message);
    return true;
  };

/** What the timer and the executor rely on, whatever the broker. */
export function brokerConformance(name: string, makeHarness: () => Promise<BrokerHarness>): void {
  describe(name, { timeout: 180_000 }, () => {
    let harness: BrokerHarness;
    before(async () => void (harness = await makeHarness()));
    after(() => harness.close());

    describe('a producer', () => {
      it('writes each partition in order, key, value and headers as they are', async () => {
        const topic = await harness.createTopic(2);
        const producer = await harness.client().producer();
        const written = Array.from({ length: 2_500 }, (_, index) => record(topic, index % 2, String(index)));
        await Promise.all([producer.send(written.slice(0, 1_000)), producer.send(written.slice(1_000))]);
        await producer.send([{ topic, partition: 0, key: null, value: null, headers: { empty: '' } }]);

        const tail = await openTail(harness.client(), topic);
        await until('all are read', () => tail.records.length === 2_501);
        for (const partition of [0, 1]) {
          const own = tail.records.filter((read) => read.partition === partition && read.value !== null);
          const expected = written.filter((sent) => sent.partition === partition).map(({ value }) => String(value));
          assert.deepEqual(valuesOf(own), expected);
        }
        const [first] = tail.records.filter(({ value }) => String(value) === '7');
        assert.deepEqual([String(first?.key), first?.headers['of'], first?.partition], ['key-7', '7', 1]);
        const [empty] = tail.records.filter(({ value }) => value === null);
        assert.deepEqual([empty?.key, empty?.headers['empty']], [null, '']);
      });

      it('refuses a record for a topic or a partition that does not exist, and names the topic', async () => {
        const topic = await harness.createTopic(1);
        const producer = await harness.client().producer();
        const missing = unique('missing');
        for (const refused of [record(missing, 0, 'a'), record(topic, 1, 'b')]) {
          await assert.rejects(producer.send([refused]), (error: BelfryError) => {
            assert.equal(error.ids.topic, refused.topic);
            return hasCode('topic_missing', true)(error);
          });
        }
        await producer.send([record(topic, 0, 'goes on')]);
      });

      it('refuses a record that is too large, and goes on with others, also those of other callers', async () => {
        const topic = await harness.createTopic(1);
        const other = await harness.createTopic(1);
        const producer = await harness.client().producer();
        const large = { ...record(topic, 0, 'large'), value: Buffer.alloc(5 * 1024 * 1024, 1) };
        const sends = [
          producer.send([record(other, 0, 'before')]),
          producer.send([record(other, 0, 'beside'), large]),
          producer.send([record(other, 0, 'behind')]),
        ];
        const [first, refused, last] = await Promise.allSettled(sends);
        assert.deepEqual([first?.status, refused?.status, last?.status], ['fulfilled', 'rejected', 'fulfilled']);
        assert.ok(refused?.status === 'rejected' && refused.reason instanceof BelfryError);
        assert.deepEqual([refused.reason.code, refused.reason.ids.topic], ['record_refused', topic]);
        await producer.send([record(topic, 0, 'small')]);
        const tail = await openTail(harness.client(), topic);
        await until('the small one is read', () => tail.records.length > 0);
        assert.deepEqual(valuesOf(tail.records), ['small']);
      });

      it('takes many records that are too large only together', async () => {
        const topic = await harness.createTopic(1);
        const producer = await harness.client().producer();
        const value = Buffer.alloc(100_000, 1);
        await producer.send(Array.from({ length: 50 }, (_, n) => ({ ...record(topic, 0, String(n)), value })));
        assert.equal((await harness.client().logRange(topic)).get(0)?.end, 50n);
      });
    });

    describe('a transaction', () => {
      it('makes records and offsets visible together', async () => {
        const [topic, source] = [await harness.createTopic(2), await harness.createTopic(1)];
        const broker = harness.client();
        const producer = await broker.transactional(unique('tx'));
        const groupId = unique('group');
        await producer.init();
        await producer.transact(
          [record(topic, 0, 'a'), record(topic, 1, 'b')],
          [{ groupId, topic: source, partition: 0, offset: 7n }],
        );
        const tail = await openTail(broker, topic);
        await until('both are read', () => tail.records.length === 2);
        await until('the tail has caught up', () => tail.caughtUp() === 1);
        await producer.init();
        assert.equal(await broker.committed(groupId, { topic: source, partition: 0 }), 7n);
        assert.equal(await broker.committed(unique('group'), { topic: source, partition: 0 }), undefined);
      });

      it('may hold offsets only, or records only, one after the other', async () => {
        const topic = await harness.createTopic(1);
        const broker = harness.client();
        const producer = await broker.transactional(unique('tx'));
        const groupId = unique('group');
        for (let offset = 1n; offset <= 5n; offset += 1n) {
          await producer.transact([], [{ groupId, topic, partition: 0, offset }]);
          await producer.transact([record(topic, 0, String(offset))], []);
        }
        await producer.transact([], []);
        const tail = await openTail(broker, topic);
        await until('all are read', () => tail.records.length === 5);
        assert.equal(await broker.committed(groupId, { topic, partition: 0 }), 5n);
      });

      it('refuses records, and leaves no trace of the others', async () => {
        const topic = await harness.createTopic(1);
        const broker = harness.client();
        const producer = await broker.transactional(unique('tx'));
        const large = { ...record(topic, 0, 'large'), value: Buffer.alloc(5 * 1024 * 1024, 1) };
        await assert.rejects(producer.transact([record(topic, 0, 'x'), large], []), hasCode('record_refused', false));
        await assert.rejects(
          producer.transact([record(topic, 0, 'x'), record(unique('missing'), 0, 'y')], []),
          hasCode('topic_missing', true),
        );
        await producer.transact([record(topic, 0, 'good')], []);
        const tail = await openTail(broker, topic);
        await until('the good one is read', () => tail.records.length > 0);
        assert.deepEqual(valuesOf(tail.records), ['good']);
      });

      it('of a former holder of the id fails once another has initialised it, and stays failed', async () => {
        const topic = await harness.createTopic(1);
        const id = unique('tx');
        const [former, current] = [await harness.client().transactional(id), await harness.client().transactional(id)];
        await former.transact([record(topic, 0, 'former')], []);
        await current.init();
        await assert.rejects(former.transact([record(topic, 0, 'zombie')], []), hasCode('producer_fenced', false));
        await assert.rejects(former.transact([record(topic, 0, 'zombie')], []), hasCode('producer_fenced', false));
        await current.transact([record(topic, 0, 'current')], []);
        const tail = await openTail(harness.client(), topic);
        await until('both are read', () => tail.records.length === 2);
        assert.deepEqual(valuesOf(tail.records), ['former', 'current']);
      });

      it('that is closed in the middle does not take the id back from who initialised it meanwhile', async () => {
        const [topic, asked] = [await harness.createTopic(1), await harness.createTopic(1)];
        const id = unique('tx');
        const [former, current] = [await harness.client().transactional(id), await harness.client().transactional(id)];
        await former.transact([record(topic, 0, 'former')], []);
        await current.init();
        // The topic is new to it: it asks for it first, and is closed while it does.
        const zombie = assert.rejects(former.transact([record(asked, 0, 'zombie')], []));
        await former.close();
        await zombie;
        await current.transact([record(topic, 0, 'current')], []);
        const tail = await openTail(harness.client(), asked);
        assert.deepEqual(valuesOf(tail.records), []);
      });

      it('left open holds up read_committed readers only until its id is fenced, and is never seen by them', async () => {
        const topic = await harness.createTopic(1);
        const id = unique('tx');
        const broker = harness.client();
        const committed = await openTail(broker, topic);
        const all = await openTail(broker, topic, { isolation: 'read_uncommitted' });
        await harness.abandonTransaction(id, [record(topic, 0, 'aborted')]);
        const producer = await broker.producer();
        await producer.send([record(topic, 0, 'plain')]);
        await until('the other reads both', () => all.records.length === 2);
        assert.deepEqual(valuesOf(committed.records), []);
        await broker.fence(id);
        await until('the reader goes on', () => committed.records.length > 0);
        assert.deepEqual(valuesOf(committed.records), ['plain']);
      });

      it('of nothing but aborted records does not keep a tail from catching up', async () => {
        const topic = await harness.createTopic(1);
        const id = unique('tx');
        await harness.abandonTransaction(id, [record(topic, 0, 'aborted')]);
        await harness.client().fence(id);
        const tail = await openTail(harness.client(), topic);
        await until('the tail has caught up', () => tail.caughtUp() === 1);
        assert.deepEqual(tail.records, []);
      });
    });

    describe('a tail', () => {
      it('reads no further while too much of what it handed over is under way, and on when that is done', async () => {
        const topic = await harness.createTopic(1);
        const producer = await harness.client().producer();
        const hanging = Promise.withResolvers<void>();
        let handedOver = 0;
        const onRecord = (): Promise<void> => (handedOver++, hanging.promise);
        await openTail(harness.client(), topic, { onRecord });
        const halfMib = Buffer.alloc(512 * 1024);
        const send = (): Promise<void> => producer.send([{ ...record(topic, 0, ''), value: halfMib }]);
        while (handedOver < 16) await Promise.all([send(), until('it is read', () => handedOver > 0)]);
        const before = handedOver;
        for (let n = 0; n < 20; n++) await send();
        const other = await openTail(harness.client(), topic);
        await until('another tail has read all', () => other.caughtUp() === 1);
        assert.ok(handedOver <= before + 4, `${handedOver} of ${other.records.length} records`);
        hanging.resolve();
        await until('all are read', () => handedOver === other.records.length);
      });

      it('from the end reads exactly what is written after it stands', async () => {
        const topic = await harness.createTopic(2);
        const producer = await harness.client().producer();
        await producer.send([record(topic, 0, 'old'), record(topic, 1, 'old')]);
        const tail = await openTail(harness.client(), topic, { from: 'end' });
        assert.equal(tail.caughtUp(), 1);
        await producer.send([record(topic, 0, 'new 0'), record(topic, 1, 'new 1')]);
        await until('the new ones are read', () => tail.records.length === 2);
        assert.deepEqual(valuesOf(tail.records).sort(), ['new 0', 'new 1']);
      });

      it('from the beginning catches up once, on an empty topic too', async () => {
        const topic = await harness.createTopic(3);
        const empty = await openTail(harness.client(), topic);
        await until('the empty one has caught up', () => empty.caughtUp() === 1);
        const producer = await harness.client().producer();
        await producer.send([record(topic, 2, 'one')]);
        const full = await openTail(harness.client(), topic);
        await until('the other has caught up', () => full.caughtUp() === 1);
        assert.deepEqual(valuesOf(full.records), ['one']);
      });

      it('from a time reads what is as old or younger', async () => {
        const topic = await harness.createTopic(1);
        const producer = await harness.client().producer();
        await producer.send([record(topic, 0, 'a')]);
        const whole = await openTail(harness.client(), topic);
        await until('it is read', () => whole.records.length === 1);
        const timestampMs = (whole.records[0]?.timestampMs ?? 0) + 1;
        const none = await openTail(harness.client(), topic, { from: { timestampMs } });
        const all = await openTail(harness.client(), topic, { from: { timestampMs: timestampMs - 1 } });
        await until('both have caught up', () => none.caughtUp() === 1 && all.caughtUp() === 1);
        assert.deepEqual([valuesOf(none.records), valuesOf(all.records)], [[], ['a']]);
      });

      it('of an unknown topic is refused', async () => {
        await assert.rejects(openTail(harness.client(), unique('missing')), hasCode('topic_missing', true));
      });
    });

    describe('a question', () => {
      it('tells the number of partitions, and that there is no such topic', async () => {
        const topic = await harness.createTopic(3);
        assert.equal(await harness.client().partitions(topic), 3);
        assert.equal(await harness.client().partitions(unique('missing')), undefined);
      });

      it('tells the range of a log, with markers and what is not committed yet', async () => {
        const topic = await harness.createTopic(2);
        const broker = harness.client();
        const producer = await broker.transactional(unique('tx'));
        await producer.transact([record(topic, 1, 'a'), record(topic, 1, 'b')], []);
        await harness.abandonTransaction(unique('tx'), [record(topic, 1, 'open')]);
        const range = await broker.logRange(topic);
        assert.deepEqual(range.get(0), { first: 0n, end: 0n });
        assert.deepEqual(range.get(1), { first: 0n, end: 4n });
        await assert.rejects(broker.logRange(unique('missing')), hasCode('topic_missing', true));
      });
    });

    brokerGroupConformance(() => harness);
  });
}
