/** Topics for `migrate` and `doctor`: make and describe. */
import { ConfigResourceTypes } from './kafkajs.ts';
import type { Admin, ConfigSource } from 'kafkajs';
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { TopicAdmin, TopicDescription, TopicSpec } from '../../core/ports/topic-admin.ts';
import { SystemClock } from '../clock.ts';
import { AdminClient } from './admin-client.ts';
import type { KafkaConfig } from './connect.ts';
import { Context } from './context.ts';
import { unavailable } from './errors.ts';

const PRESENT_MS = 10_000;
const LOOK_AGAIN_MS = 50;
/** Where a setting comes from, by Kafka's number: from the topic itself. */
const SET_ON_TOPIC: ConfigSource = 1;

export class KafkaAdmin implements TopicAdmin {
  private readonly client: AdminClient;

  constructor({ config, log, clock = new SystemClock() }: { config: KafkaConfig; log: Log; clock?: Clock }) {
    this.client = new AdminClient(new Context({ config, log, clock }));
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
    if (missing.length > 0) await this.untilPresent(missing.map(({ topic }) => topic));
    const others = specs.map(({ topic }) => topic).filter((topic) => !created.includes(topic));
    return { created, existing: await this.describeTopics(others) };
  }

  /** @throws BelfryError `topic_refused`, `broker_unavailable` */
  async alterTopic(topic: string, configs: Readonly<Record<string, string>>): Promise<void> {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
    const alter = async (admin: Admin): Promise<void> => {
      const described = await admin.describeConfigs({ resources, includeSynonyms: false });
      // The request replaces all that was set on the topic, so what is to stay is sent again.
      const set = described.resources
        .flatMap(({ configEntries }) => configEntries)
        .filter(({ configSource }) => configSource === SET_ON_TOPIC)
        .map(({ configName, configValue }) => [configName, configValue] as const);
      const entries = Object.entries({ ...Object.fromEntries(set), ...configs });
      const configEntries = entries.map(([name, value]) => ({ name, value }));
      await admin.alterConfigs({ validateOnly: false, resources: [{ ...resources[0]!, configEntries }] });
    };
    try {
      await this.client.call(`setting ${Object.keys(configs).join(', ')} of ${topic}`, alter, { final: isRefusal });
    } catch (error) {
      throw isRefusal(error) ? refused(topic, error) : error;
    }
  }

  /** Those of the topics that exist. */
  async describeTopics(names: readonly string[]): Promise<TopicDescription[]> {
    const present = await this.topics();
    return Promise.all(names.filter((topic) => present.has(topic)).map((topic) => this.describe(topic)));
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
      // kafkajs waits for leaders of topics that the broker knows, and takes one that it does not know yet for an error.
      const work = (admin: Admin): Promise<boolean> => admin.createTopics({ topics, waitForLeaders: false });
      return (await this.client.call(`creating ${names.join(', ')}`, work, { final: isRefusal })) ? names : [];
    } catch (error) {
      if (specs.length === 1) throw isRefusal(error) ? refused(names[0] ?? '', error) : error;
      const singly: string[] = [];
      for (const spec of specs) singly.push(...(await this.create([spec])));
      return singly;
    }
  }

  /** The controller has made them; the broker that clients ask may hear of it a moment later. */
  private async untilPresent(names: readonly string[]): Promise<void> {
    const { clock } = this.client;
    const giveUpAt = clock.now() + PRESENT_MS;
    for (; ; await clock.sleep(LOOK_AGAIN_MS)) {
      const present = await this.topics();
      const unknown = names.filter((topic) => !present.has(topic));
      if (unknown.length === 0) return;
      if (clock.now() >= giveUpAt) throw unavailable(`Kafka made ${unknown.join(', ')}, but does not show them yet.`);
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
    return {
      topic,
      partitions: partitions.length,
      replicationFactor: partitions[0]?.replicas.length ?? 0,
      configs: Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])),
    };
  }
}

/** What the controller refused will be refused again. */
function refused(topic: string, error: unknown): BelfryError {
  const reason = (error as { errors?: unknown[] }).errors?.[0] ?? error;
  const message = `Kafka refuses to make the topic ${topic}: ${messageOf(reason)}`;
  return new BelfryError('topic_refused', message, { cause: error, ids: { topic } });
}

/** What the broker answered, as opposed to not having answered. */
function isRefusal(error: unknown): boolean {
  const { errors, retriable, type } = error as { errors?: unknown[]; retriable?: boolean; type?: string };
  return errors ? errors.every(isRefusal) : retriable === false && type !== undefined;
}
