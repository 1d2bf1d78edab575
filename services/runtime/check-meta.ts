/** Whether this process fits the deployment that it finds. */
import { BelfryError } from '../core/errors.ts';
import type { Config } from './config.ts';

/**
 * Answers what the deployment was migrated with, if this process may work on it.
 * @param meta undefined: there are no tables yet
 * @param shippedVersion the schema version that this Belfry brings
 * @throws BelfryError `not_migrated` (retryable: a migration mends it), `config_mismatch`, `schema_newer`
 */
export function checkMeta<
  M extends { partitions: number; topicPrefix: string; schemaVersion: number; oldestServices: number },
>(config: Pick<Config, 'partitions' | 'topicPrefix'>, meta: M | undefined, shippedVersion: number): M {
  if (meta === undefined) {
    throw new BelfryError('not_migrated', 'The database has no Belfry tables yet: run "belfry migrate".', {
      retryable: true,
    });
  }
  const { partitions, topicPrefix, schemaVersion, oldestServices } = meta;
  if (config.partitions !== undefined && config.partitions !== partitions) {
    throw new BelfryError(
      'config_mismatch',
      `BELFRY_PARTITIONS is ${config.partitions}, but this deployment was migrated with ${partitions}; it cannot change. Unset it.`,
    );
  }
  if (config.topicPrefix !== topicPrefix) {
    throw new BelfryError(
      'config_mismatch',
      `BELFRY_TOPIC_PREFIX is "${config.topicPrefix}", but this deployment was migrated with "${topicPrefix}".`,
    );
  }
  // One that is newer, and still serves this release, is as good: a rolling upgrade migrates first.
  if (shippedVersion < oldestServices) {
    throw new BelfryError(
      'schema_newer',
      `The database has schema version ${schemaVersion}, which serves services from version ${oldestServices} on; this Belfry brings ${shippedVersion}: start a newer release.`,
    );
  }
  if (schemaVersion < shippedVersion) {
    throw new BelfryError(
      'not_migrated',
      `The database has schema version ${schemaVersion}, this Belfry needs ${shippedVersion}: run "belfry migrate".`,
      { retryable: true },
    );
  }
  return meta;
}
