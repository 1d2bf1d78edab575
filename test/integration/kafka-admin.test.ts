import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { KafkaAdmin } from '../../services/adapters/kafka/admin.ts';
import { KafkaBroker } from '../../services/adapters/kafka/broker.ts';
import { Kafka } from '../../services/adapters/kafka/kafkajs.ts';
import { BelfryError } from '../../services/core/errors.ts';
import type { ConsumedRecord } from '../../services/core/records.ts';
import { unique } from '../conformance/broker-support.ts';
import { quietLog } from './support/kafka-harness.ts';

const brokers = process.env['KAFKA_BROKERS']?.split(',');
const skip = brokers ? false : 'set KAFKA_BROKERS, or run it under infra/embedded/run-with-stack.ts';

describe('topics on Kafka', { skip }, () => {
  const admin = new KafkaAdmin({
    config: { brokers: brokers ?? ['unused:1'], clientId: 'belfry-test' },
    log: quietLog,
  });
  after(() => admin.close());
  const spec = (topic: string) => ({
    topic,
    partitions: 3,
    replicationFactor: 1,
    configs: { 'retention.ms': '3600000' },
  });

  it('are made once, by whoever comes first, and described as they are', async () => {
    const topic = unique('topic');
    const both = await Promise.all([admin.ensureTopics([spec(topic)]), admin.ensureTopics([spec(topic)])]);
    assert.equal(both.flatMap(({ created }) => created).length, 1);
    const { created, existing } = await admin.ensureTopics([{ ...spec(topic), partitions: 9 }]);
    assert.deepEqual(
      [created, existing.map(({ partitions, replicationFactor }) => [partitions, replicationFactor])],
      [[], [[3, 1]]],
    );
    assert.equal(existing[0]?.configs['retention.ms'], '3600000');
    assert.ok('cleanup.policy' in (existing[0]?.configs ?? {}));
    assert.deepEqual(await admin.describeTopics([unique('missing')]), []);
  });

  it('are altered in what is named alone, and their records then have the time at which Kafka took them', async () => {
    const topic = unique('topic');
    await admin.ensureTopics([spec(topic)]);
    await admin.alterTopic(topic, { 'message.timestamp.type': 'LogAppendTime' });
    const [altered] = await admin.describeTopics([topic]);
    assert.equal(altered?.configs['message.timestamp.type'], 'LogAppendTime');
    assert.equal(altered.configs['retention.ms'], '3600000', 'what else was set stays');

    const sentAt = Date.now();
    const kafka = new Kafka({ brokers: brokers!, clientId: 'belfry-test', logLevel: 0 });
    const producer = kafka.producer();
    await producer.connect();
    // One batch: its records have their own times, and one clock is far ahead.
    const times = [1_000, 1_000_000_000_000, sentAt + 86_400_000];
    const messages = times.map((timestamp, index) => ({
      partition: 0,
      value: String(index),
      timestamp: String(timestamp),
    }));
    await producer.send({ topic, messages });
    await producer.disconnect();

    const broker = new KafkaBroker({ config: { brokers: brokers!, clientId: 'belfry-test' }, log: quietLog });
    const records: ConsumedRecord[] = [];
    const all = Promise.withResolvers<void>();
    const onRecord = (record: ConsumedRecord): void => {
      if (records.push(record) === times.length) all.resolve();
    };
    const tail = await broker.tail({ topics: [topic], from: 'beginning', isolation: 'read_committed', onRecord });
    await all.promise;
    await tail.close();
    await broker.close();
    for (const { timestampMs } of records)
      assert.ok(Math.abs(timestampMs - sentAt) < 10_000, `${timestampMs} instead of about ${sentAt}`);
  });

  it('that Kafka will not make are refused with its reason', async () => {
    const refused = { ...spec(unique('topic')), configs: { 'retention.ms': 'a while' } };
    const isRefused = (error: unknown): boolean => error instanceof BelfryError && error.code === 'topic_refused';
    await assert.rejects(admin.ensureTopics([refused]), isRefused);
    await assert.rejects(admin.ensureTopics([{ ...spec(unique('topic')), replicationFactor: 30 }]), isRefused);
    assert.ok((await admin.brokerCount()) >= 1);
  });
});
