import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { KafkaAdmin } from '../../services/adapters/kafka/admin.ts';
import { BelfryError } from '../../services/core/errors.ts';
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

  it('that Kafka will not make are refused with its reason', async () => {
    const refused = { ...spec(unique('topic')), configs: { 'retention.ms': 'a while' } };
    const isRefused = (error: unknown): boolean => error instanceof BelfryError && error.code === 'topic_refused';
    await assert.rejects(admin.ensureTopics([refused]), isRefused);
    await assert.rejects(admin.ensureTopics([{ ...spec(unique('topic')), replicationFactor: 30 }]), isRefused);
    assert.ok((await admin.brokerCount()) >= 1);
  });
});
