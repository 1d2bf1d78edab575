/** Topics for `migrate` and `doctor`: make, describe, correct. */
// kafkajs is CommonJS, and Node finds only some of its exports by name.
import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import { SystemClock } from '../clock.ts';
import { AdminClient } from './admin-client.ts';
import type { KafkaConfig } from './connect.ts';

const { ConfigResourceTypes, ConfigSource } = kafkajs;

export type TopicSpec = {
  topic: string;
  partitions: number;
  replicationFactor: number;
  /** Topic settings by Kafka's names, such as `retention.ms`. */
  configs: Readonly<Record<string, string>>;
};

export type TopicDescription = {
  topic: string;
  partitions: number;
  replicationFactor: number;
  /** All settings in force, and those set on the topic itself. */
  configs: Readonly<Record<string, string>>;
  ownConfigs: Readonly<Record<string, string>>;
};

export class KafkaAdmin {
  private readonly client: AdminClient;

  constructor({ config, log, clock = new SystemClock() }: { config: KafkaConfig; log: Log; clock?: Clock }) {
    this.client = new AdminClient(config, log, clock);
  }

  /**
   * Makes the topics that are missing; those that exist are described as they are, and left so. Safe when run twice at once.
   *
   * @throws BelfryError `topic_refused` (not retryable: settings or rights are wrong), `broker_unavailable`
   */
  async ensureTopics(specs: readonly TopicSpec[]): Promise<{ created: string[]; existing: TopicDescription[] }> {
    const present = await this.topics();
    const missing = specs.filter(({ topic }) => !present.has(topic));
    const created = await this.create(missing);
    const others = specs.map(({ topic }) => topic).filter((topic) => !created.includes(topic));
    return { created, existing: await this.describeTopics(others) };
  }

  /** Those of the topics that exist. */
  async describeTopics(names: readonly string[]): Promise<TopicDescription[]> {
    const present = await this.topics();
    return Promise.all(names.filter((topic) => present.has(topic)).map((topic) => this.describe(topic)));
  }

  /** Sets these settings on the topic and leaves its others. */
  async setTopicConfigs(topic: string, configs: Readonly<Record<string, string>>): Promise<void> {
    // The request that kafkajs speaks replaces a topic's settings as a whole: what it has must be sent along.
    const { ownConfigs } = await this.describe(topic);
    const configEntries = Object.entries({ ...ownConfigs, ...configs }).map(([name, value]) => ({ name, value }));
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await this.change(topic, 'alterConfigs', (admin) => admin.alterConfigs({ validateOnly: false, resources }));
  }

  /** Raises the topic's number of partitions to `count`. */
  async growTopic(topic: string, count: number): Promise<void> {
    await this.change(topic, 'createPartitions', (admin) =>
      admin.createPartitions({ topicPartitions: [{ topic, count }] }),
    );
  }

  async brokerCount(): Promise<number> {
    const { brokers } = await this.client.call('describing the cluster', (admin) => admin.describeCluster());
    return brokers.length;
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private async topics(): Promise<Set<string>> {
    return new Set(await this.client.call('listing topics', (admin) => admin.listTopics()));
  }

  /** One request for all; where it fails because somebody makes them at the same time, one for each. Answers those made here. */
  private async create(specs: readonly TopicSpec[]): Promise<string[]> {
    if (specs.length === 0) return [];
    const topics = specs.map(({ topic, partitions, replicationFactor, configs }) => ({
      topic,
      numPartitions: partitions,
      replicationFactor,
      configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
    }));
    const names = specs.map(({ topic }) => topic);
    try {
      const work = (admin: Admin): Promise<boolean> => admin.createTopics({ topics, waitForLeaders: true });
      const made = await this.change<boolean>(names.join(', '), 'createTopics', work);
      return made ? names : [];
    } catch (error) {
      if (specs.length === 1) throw error;
      const singly: string[] = [];
      for (const spec of specs) singly.push(...(await this.create([spec])));
      return singly;
    }
  }

  private async describe(topic: string): Promise<TopicDescription> {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
    const [metadata, described] = await this.client.call(`describing topic ${topic}`, (admin) =>
      Promise.all([
        admin.fetchTopicMetadata({ topics: [topic] }),
        admin.describeConfigs({ resources, includeSynonyms: false }),
      ]),
    );
    const partitions = metadata.topics.find(({ name }) => name === topic)?.partitions ?? [];
    const entries = described.resources.flatMap(({ configEntries }) => configEntries);
    const own = entries.filter(({ configSource }) => configSource === ConfigSource.TOPIC_CONFIG);
    return {
      topic,
      partitions: partitions.length,
      replicationFactor: partitions[0]?.replicas.length ?? 0,
      configs: Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])),
      ownConfigs: Object.fromEntries(own.map(({ configName, configValue }) => [configName, configValue])),
    };
  }

  /** A change that the controller refused will be refused again. */
  private async change<T>(topic: string, what: string, work: Parameters<AdminClient['call']>[1]): Promise<T> {
    try {
      return (await this.client.call(`${what} of ${topic}`, work, isRefusal)) as T;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const reason = (error as { errors?: unknown[] }).errors?.[0] ?? error;
      const message = `Kafka refuses ${what} of topic ${topic}: ${messageOf(reason)}`;
      throw new BelfryError('topic_refused', message, { cause: error, ids: { topic } });
    }
  }
}

/** What the broker answered, as opposed to not having answered. */
function isRefusal(error: unknown): boolean {
  const { errors, retriable, type } = error as { errors?: unknown[]; retriable?: boolean; type?: string };
  return errors ? errors.every(isRefusal) : retriable === false && type !== undefined;
}
