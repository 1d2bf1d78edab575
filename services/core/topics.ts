import type { Priority } from './model.ts';
import type { Broker } from './ports/broker.ts';

export const INTAKES = ['commands', 'retry', 'completed'] as const;
/** The three topics that a timer reads; the same partition number of all three has one owner. */
export type Intake = (typeof INTAKES)[number];

export type Topics = {
  commands: string;
  retry: string;
  completed: string;
  dlq: string;
  rejected: string;
  acks: string;
  /** The topic that executors of `queue` read for this priority. */
  due(queue: string, priority: Priority): string;
};

/** Names of Belfry's topics under a prefix (`BELFRY_TOPIC_PREFIX`, empty by default). */
export function topicsOf(prefix: string): Topics {
  return {
    commands: `${prefix}job.commands`,
    retry: `${prefix}job.retry`,
    completed: `${prefix}job.completed`,
    dlq: `${prefix}job.dlq`,
    rejected: `${prefix}job.commands.rejected`,
    acks: `${prefix}job.commands.acks`,
    due: (queue, priority) =>
      queue === 'default' ? `${prefix}job.due.${priority}` : `${prefix}job.due.${queue}.${priority}`,
  };
}

/** Whether what goes to this topic has high priority. @param topic a due topic, or '' */
export function isUrgent(topic: string): boolean {
  return topic.endsWith('.high');
}

/** The consumer group of the executors that read a due topic. */
export function executorGroup(prefix: string, queue: string, priority: Priority): string {
  return `${prefix}belfry-executor-${queue}-${priority}`;
}

/** The queues that have topics among these. */
export function queuesOf(prefix: string, topics: readonly string[]): string[] {
  const own = topicsOf(prefix);
  const named = topics.flatMap((topic) => /job\.due\.([a-z0-9-]+)\.high$/.exec(topic)?.[1] ?? []);
  return ['default', ...named].filter((queue) => topics.includes(own.due(queue, 'high')));
}

/** Whether a queue has topics: without them nothing can be put into it. @throws BelfryError `broker_unavailable` */
export async function queueExists(
  broker: Pick<Broker, 'partitions'>,
  topics: Pick<Topics, 'due'>,
  queue: string,
): Promise<boolean> {
  return (await broker.partitions(topics.due(queue, 'medium'))) !== undefined;
}

const OWN = String.raw`job\.(commands|retry|completed|dlq|due)`;
const OWN_TOPIC = new RegExp(String.raw`^${OWN}(\.|$)`);
const OTHERS_TOPIC = new RegExp(String.raw`${OWN}(\.(acks|rejected)|(\.[a-z0-9-]+)?\.(high|medium|low))?$`);

/** Whether a topic is one of Belfry's own: never the target of a KAFKA_MESSAGE. */
export function isOwnTopic(prefix: string, topic: string): boolean {
  const rest = topic.startsWith(prefix) ? topic.slice(prefix.length) : topic;
  return OWN_TOPIC.test(rest);
}

/**
 * Whether a topic belongs to some program, by its name: the schema registry's and others that begin with `_`, and those of other
 * deployments of Belfry, whatever their prefix.
 */
export function isReservedTopic(topic: string): boolean {
  return topic.startsWith('_') || OTHERS_TOPIC.test(topic);
}

/** Key of every record that concerns a job. */
export function jobKey(tenant: string, jobId: string): string {
  return `${tenant}/${jobId}`;
}

/** Reads a record's key back; undefined when it is none of ours. Tenants hold no slash. */
export function parseJobKey(key: string): { tenant: string; jobId: string } | undefined {
  const slash = key.indexOf('/');
  if (slash <= 0 || slash === key.length - 1) return undefined;
  return { tenant: key.slice(0, slash), jobId: key.slice(slash + 1) };
}
