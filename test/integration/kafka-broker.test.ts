import { it } from 'node:test';

import { brokerConformance } from '../conformance/broker.ts';
import { kafkaHarness } from './support/kafka-harness.ts';

const brokers = process.env['KAFKA_BROKERS']?.split(',');

if (brokers) brokerConformance('Kafka', () => kafkaHarness(brokers));
else
  it(
    'the broker on Kafka',
    { skip: 'set KAFKA_BROKERS, or run it under infra/embedded/run-with-stack.ts' },
    () => undefined,
  );
