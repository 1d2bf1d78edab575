import { fork } from 'node:child_process';
import { join } from 'node:path';

import { Kafka, logLevel, Partitioners } from 'kafkajs';

import { KafkaAdmin } from '../../../services/adapters/kafka/admin.ts';
import { KafkaBroker } from '../../../services/adapters/kafka/broker.ts';
import type { TopicPartition } from '../../../services/core/ports/broker.ts';
import type { Log } from '../../../services/core/ports/log.ts';
import type { OutgoingRecord } from '../../../services/core/records.ts';
import { unique, until } from '../../conformance/broker-support.ts';
import type { BrokerHarness } from '../../conformance/broker-support.ts';

const say = (fields: object, message: string): void => {
  if (process.env['BELFRY_TEST_LOG']) console.error(message, fields);
};
export const quietLog: Log = { debug: say, info: say, warn: say, error: say, child: () => quietLog };

/** Kafka as the conformance suite wants it. @param brokers `host:port` of each */
export async function kafkaHarness(brokers: string[]): Promise<BrokerHarness> {
  const config = { brokers, clientId: 'belfry-test', groupPrefix: 'belfry-test-' };
  const admin = new KafkaAdmin({ config, log: quietLog });
  const replicationFactor = Math.min(3, await admin.brokerCount());
  const closers: (() => Promise<void>)[] = [() => admin.close()];
  return {
    sessionTimeoutMs: 6_000,
    async createTopic(partitions) {
      const topic = unique('topic');
      await admin.ensureTopics([{ topic, partitions, replicationFactor, configs: {} }]);
      return topic;
    },
    client() {
      const broker = new KafkaBroker({ config, log: quietLog });
      closers.push(() => broker.close());
      return broker;
    },
    async mortalMember(options) {
      const child = fork(join(import.meta.dirname, 'kafka-member.ts'));
      let assignment: readonly TopicPartition[] = [];
      child.on('message', (message) => (assignment = message as TopicPartition[]));
      child.send({ brokers, options });
      closers.push(async () => void child.kill('SIGKILL'));
      await until('the mortal member has joined', () => assignment.length > 0);
      return { assignment: () => assignment, kill: () => void child.kill('SIGKILL') };
    },
    abandonTransaction: (transactionalId, records) => abandonTransaction(brokers, transactionalId, records),
    async close() {
      await Promise.all(closers.map((close) => close()));
    },
  };
}

async function abandonTransaction(
  brokers: string[],
  transactionalId: string,
  records: readonly OutgoingRecord[],
): Promise<void> {
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const createPartitioner = Partitioners.DefaultPartitioner;
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, createPartitioner });
  await producer.connect();
  const transaction = await producer.transaction();
  for (const { topic, ...message } of records) await transaction.send({ topic, messages: [message] });
  await producer.disconnect();
}
