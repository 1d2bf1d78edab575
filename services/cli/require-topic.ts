import { BelfryError } from '../core/errors.ts';
import type { CliDeps } from './deps.ts';

/** @throws BelfryError `not_migrated`, where a reader would otherwise wait for ever; `broker_unavailable` */
export async function requireTopic(deps: CliDeps, topic: string): Promise<void> {
  if ((await deps.broker().partitions(topic)) !== undefined) return;
  const message = `The topic ${topic} does not exist: run "belfry migrate", or check KAFKA_BROKERS and BELFRY_TOPIC_PREFIX.`;
  throw new BelfryError('not_migrated', message);
}
