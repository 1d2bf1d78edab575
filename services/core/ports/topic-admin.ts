/** Topics as `migrate` and `doctor` need them. Implementation: `adapters/kafka/admin.ts`. */

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
  /** All settings in force. */
  configs: Readonly<Record<string, string>>;
};

/** Errors: BelfryError `topic_refused` (not retryable), `broker_unavailable` (retryable). */
export interface TopicAdmin {
  /** Makes those that are missing; those that exist are described as they are, and left so. */
  ensureTopics(specs: readonly TopicSpec[]): Promise<{ created: string[]; existing: TopicDescription[] }>;
  /** Changes these settings of a topic; its others stay as they are. */
  alterTopic(topic: string, configs: Readonly<Record<string, string>>): Promise<void>;
  /** Those of the topics that exist. */
  describeTopics(names: readonly string[]): Promise<TopicDescription[]>;
  brokerCount(): Promise<number>;
  close(): Promise<void>;
}
