/** Wires a migration to the real database, Kafka and registry. */
import { Registry } from '../adapters/codec/registry.ts';
import { KafkaAdmin } from '../adapters/kafka/admin.ts';
import { migrateDatabase, readMeta } from '../adapters/postgres/migrate.ts';
import { ownTopics, rememberTopics, underMigrationLock } from '../adapters/postgres/own-topics.ts';
import { openPool } from '../adapters/postgres/pool.ts';
import type { Log } from '../core/ports/log.ts';
import { topicsOf } from '../core/topics.ts';
import { requireServers, type Config } from '../runtime/config.ts';
import { kafkaConfigOf } from '../runtime/main.ts';
import { migrateAll, type MigrateOptions, type MigrationReport } from './migrate.ts';

export type { MigrateOptions, MigrationReport } from './migrate.ts';

/** One holds the lock, one works. */
const CONNECTIONS = 3;

/**
 * Makes or updates tables, topics and schemas. Idempotent; safe when run twice at once.
 * @throws BelfryError `config_invalid`, `config_mismatch`, `topic_not_ours`, `topic_refused`, `store_unavailable`,
 *   `broker_unavailable`, `registry_unavailable`
 */
export async function migrate(config: Config, log: Log, options: MigrateOptions = {}): Promise<MigrationReport> {
  requireServers(config, { kafka: true, database: true });
  const { databaseUrl, databaseSchema: schema, partitions, topicPrefix, historyMs } = config;
  const pg = openPool({ databaseUrl, schema, max: CONNECTIONS, applicationName: 'belfry-migrate', log });
  const admin = new KafkaAdmin({ config: kafkaConfigOf(config, 'migrate'), log });
  const registry = config.registry === undefined ? undefined : new Registry(config.registry);
  const parts = {
    ...{ partitions, topicPrefix, historyMs, admin },
    readMeta: () => readMeta(pg),
    migrateDatabase: (fixed: Parameters<typeof migrateDatabase>[1]) => migrateDatabase(pg, fixed),
    ownTopics: () => ownTopics(pg),
    rememberTopics: (names: readonly string[]) => rememberTopics(pg, names),
    registerSchemas: registry && (() => registry.register(topicsOf(topicPrefix))),
  };
  try {
    return await underMigrationLock(pg, () => migrateAll(parts, options));
  } finally {
    await admin.close();
    await pg.close();
  }
}
