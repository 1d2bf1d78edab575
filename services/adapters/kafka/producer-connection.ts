/** A kafkajs producer with its client: what the plain and the transactional one have in common. */
import type { Producer, ProducerConfig } from 'kafkajs';
import type { KafkaClient } from './connect.ts';
import type { Context } from './context.ts';
import { within } from './errors.ts';

const CLOSE_MS = 2_000;

export type ProducerConnection = { producer: Producer; client: KafkaClient };

/** Every record has its partition already, and its topic exists. */
export const OWN_PARTITIONS: ProducerConfig = {
  allowAutoTopicCreation: false,
  createPartitioner:
    () =>
    ({ message }) =>
      message.partition as number,
};

export async function disconnectProducer(
  { clock, log }: Context,
  { producer, client }: ProducerConnection,
): Promise<void> {
  await within(clock, CLOSE_MS, 'closing a producer', producer.disconnect()).catch((error: unknown) =>
    log.debug({ err: error }, 'A Kafka producer did not close cleanly.'),
  );
  client.destroy();
}
