/**
 * Makes what a deployment needs: tables, topics, schemas. Every part is idempotent, so a migration that broke off is simply
 * run again; the caller holds a lock over the whole, so that two at once run one after the other.
 *
 * Invariant: a topic is remembered as ours before it is made. So a topic that exists and is not remembered is somebody
 * else's, whatever line a former migration died at.
 */
import { BelfryError } from '../core/errors.ts';
import type { TopicAdmin } from '../core/ports/topic-admin.ts';
import { driftOf, migratedSettings, queuesOf, topicSpecs, type Drift } from '../core/topic-specs.ts';
import { topicsOf } from '../core/topics.ts';

export type MigrateOptions = {
  /** Default: what the first migration chose, or `json`. */
  encoding?: 'json' | 'avro';
  /** Queues to make due topics for, beside `default` and those that have them. */
  queues?: readonly string[];
};

type Fixed = { partitions: number; encoding: 'json' | 'avro'; topicPrefix: string };

export type MigrateParts = {
  /** `BELFRY_PARTITIONS`, where it is set. */
  partitions: number | undefined;
  topicPrefix: string;
  historyMs: number;
  /** What the first migration fixed. */
  readMeta(): Promise<Fixed | undefined>;
  migrateDatabase(fixed: Fixed): Promise<Fixed & { schemaVersion: number; deploymentId: string }>;
  ownTopics(): Promise<string[]>;
  rememberTopics(names: readonly string[]): Promise<void>;
  admin: Pick<TopicAdmin, 'ensureTopics' | 'describeTopics' | 'brokerCount' | 'alterTopic'>;
  /** Registers the public schemas; undefined where there is no registry. */
  registerSchemas: (() => Promise<void>) | undefined;
};

export type MigrationReport = Fixed & {
  schemaVersion: number;
  deploymentId: string;
  topicsCreated: string[];
  topicsPresent: string[];
  /** Settings of present topics that somebody changed: left as they are. */
  drifts: Drift[];
  schemasRegistered: boolean;
};

const DEFAULT_PARTITIONS = 12;

/** @throws BelfryError `config_mismatch`, `topic_not_ours`, `config_invalid`; those of database, Kafka and registry */
export async function migrateAll(parts: MigrateParts, options: MigrateOptions): Promise<MigrationReport> {
  const former = await parts.readMeta();
  const encoding = options.encoding ?? former?.encoding ?? 'json';
  const partitions = parts.partitions ?? former?.partitions ?? DEFAULT_PARTITIONS;
  const { registerSchemas, topicPrefix } = parts;
  if (encoding === 'avro' && registerSchemas === undefined) {
    throw new BelfryError('config_invalid', 'Avro needs a schema registry: set SCHEMA_REGISTRY_URL.');
  }
  const meta = await parts.migrateDatabase({ partitions, encoding, topicPrefix });
  const topics = await migrateTopics(parts, partitions, options.queues ?? []);
  if (encoding === 'avro') await registerSchemas?.();
  return { ...meta, ...topics, schemasRegistered: encoding === 'avro' };
}

async function migrateTopics(
  parts: MigrateParts,
  partitions: number,
  newQueues: readonly string[],
): Promise<Pick<MigrationReport, 'topicsCreated' | 'topicsPresent' | 'drifts'>> {
  const { admin, historyMs } = parts;
  const topics = topicsOf(parts.topicPrefix);
  const own = new Set(await parts.ownTopics());
  const queues = [...new Set([...queuesOf(topics, [...own]), ...newQueues])];
  const specs = topicSpecs({ topics, partitions, queues, brokers: await admin.brokerCount(), historyMs });
  const unknown = specs.map(({ topic }) => topic).filter((topic) => !own.has(topic));
  refuseForeign((await admin.describeTopics(unknown)).map(({ topic }) => topic));

  await parts.rememberTopics(unknown);
  // What was absent a moment ago is ours now, even where the client made it in a first try whose answer was lost and found
  // it present in the second: `created` alone would call it somebody else's.
  const { created, existing } = await admin.ensureTopics(specs);

  const made = new Set([...unknown, ...created]);
  const specOf = new Map(specs.map((spec) => [spec.topic, spec]));
  const drifts: Drift[] = [];
  for (const description of existing) {
    const found = driftOf(specOf.get(description.topic)!, description);
    const settings = migratedSettings(found);
    if (Object.keys(settings).length > 0) await admin.alterTopic(description.topic, settings);
    drifts.push(...found.filter(({ setting }) => !Object.hasOwn(settings, setting)));
  }
  return {
    topicsCreated: [...made],
    topicsPresent: specs.map(({ topic }) => topic).filter((topic) => !made.has(topic)),
    drifts,
  };
}

function refuseForeign(names: readonly string[]): void {
  if (names.length === 0) return;
  throw new BelfryError(
    'topic_not_ours',
    `These topics exist already, and this deployment did not make them: ${names.join(', ')}. ` +
      'Set BELFRY_TOPIC_PREFIX to use other names, or delete them if nobody needs them.',
  );
}
