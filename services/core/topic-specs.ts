/** Which topics a deployment has, and their settings. */
import { PRIORITIES } from './model.ts';
import { REJECTED_KEPT_MS } from './rejected-record.ts';
import type { TopicDescription, TopicSpec } from './ports/topic-admin.ts';
import type { Topics } from './topics.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const FOR_EVER = '-1';
/** What waits on them must outlive any outage of the services. */
const SHORTEST_OF_UNLIMITED_MS = 30 * DAY_MS;
const MAX_REPLICAS = 3;
/** A dead run and a rejected command carry more than what was in the record that they come from. */
const LARGE_RECORD_BYTES = 2 * 1024 * 1024;

const TIMESTAMP_TYPE = 'message.timestamp.type';
/** Settings that a migration changes on topics that exist: of deployments that an earlier release made. */
const MIGRATED_SETTINGS: readonly string[] = [TIMESTAMP_TYPE];

export type Deployment = {
  topics: Topics;
  /** P, fixed at the first migration. */
  partitions: number;
  /** Beside `default`. */
  queues: readonly string[];
  brokers: number;
  historyMs: number;
};

/** All topics of a deployment. */
export function topicSpecs({ topics, partitions, queues, brokers, historyMs }: Deployment): TopicSpec[] {
  const replicationFactor = Math.min(brokers, MAX_REPLICAS);
  const everywhere: Record<string, string> = { 'cleanup.policy': 'delete', 'unclean.leader.election.enable': 'false' };
  if (replicationFactor === MAX_REPLICAS) everywhere['min.insync.replicas'] = '2';
  const spec = (topic: string, configs: Record<string, string>): TopicSpec => ({
    topic,
    partitions,
    replicationFactor,
    configs: { ...everywhere, ...configs },
  });
  const waiting = [topics.retry, ...dueTopics(topics, queues)];
  return [
    // `in` counts from when Kafka took the command, not from what its sender's clock says.
    spec(topics.commands, { 'retention.ms': FOR_EVER, [TIMESTAMP_TYPE]: 'LogAppendTime' }),
    ...waiting.map((topic) => spec(topic, { 'retention.ms': FOR_EVER })),
    spec(topics.completed, { 'retention.ms': String(7 * DAY_MS) }),
    spec(topics.dlq, { 'retention.ms': String(historyMs), 'max.message.bytes': String(LARGE_RECORD_BYTES) }),
    spec(topics.rejected, {
      'retention.ms': String(REJECTED_KEPT_MS),
      'max.message.bytes': String(LARGE_RECORD_BYTES),
    }),
    // Only closed segments go: without this, a trickle of answers would stay for a week.
    spec(topics.acks, { 'retention.ms': String(HOUR_MS), 'segment.ms': String(10 * MINUTE_MS) }),
  ];
}

/** The due topics of the default queue and of these. */
export function dueTopics(topics: Topics, queues: readonly string[]): string[] {
  const all = new Set(['default', ...queues]);
  return [...all].flatMap((queue) => PRIORITIES.map((priority) => topics.due(queue, priority)));
}

/** The queues beside `default` whose due topics are among these names. */
export function queuesOf(topics: Topics, names: readonly string[]): string[] {
  const end = '.high';
  const start = topics.due('default', 'high').slice(0, -end.length) + '.';
  return names.flatMap((name) =>
    name.startsWith(start) && name.endsWith(end) && name.length > start.length + end.length
      ? [name.slice(start.length, -end.length)]
      : [],
  );
}

export type Drift = { topic: string; setting: string; expected: string; actual: string };

/** How an existing topic differs from what a migration would make. More partitions are allowed: they are drained. */
export function driftOf(spec: TopicSpec, actual: TopicDescription): Drift[] {
  const { topic } = spec;
  const drifts: Drift[] = [];
  const compare = (setting: string, expected: string, found: string, fine: boolean): void => {
    if (!fine) drifts.push({ topic, setting, expected, actual: found });
  };
  const { partitions, replicationFactor } = actual;
  compare('partitions', String(spec.partitions), String(partitions), partitions >= spec.partitions);
  const enoughReplicas = replicationFactor >= spec.replicationFactor;
  compare('replication factor', String(spec.replicationFactor), String(replicationFactor), enoughReplicas);
  for (const [setting, expected] of Object.entries(spec.configs)) {
    const found = actual.configs[setting] ?? '';
    compare(setting, expected, found, found === expected || isLongEnough(setting, expected, found));
  }
  return drifts;
}

/** The settings that a migration is to change on an existing topic. */
export function migratedSettings(drifts: readonly Drift[]): Record<string, string> {
  const own = drifts.filter(({ setting }) => MIGRATED_SETTINGS.includes(setting));
  return Object.fromEntries(own.map(({ setting, expected }) => [setting, expected]));
}

function isLongEnough(setting: string, expected: string, found: string): boolean {
  if (setting !== 'retention.ms' || expected !== FOR_EVER) return false;
  return Number(found) >= SHORTEST_OF_UNLIMITED_MS;
}
