/** Cuts records into sends that kafkajs and the broker can take. */
import type { RecordMetadata, TopicMessages } from 'kafkajs';
import type { OutgoingRecord } from '../../core/records.ts';
import { unavailable } from './errors.ts';

/** kafkajs groups by partition in quadratic time: 1,000 cost 5 ms, 20,000 would cost 2.5 s. */
const MAX_RECORDS = 1_000;
/**
 * kafkajs makes one record batch of all it is given for a partition, and the broker measures `max.message.bytes` (1 MiB by
 * default) on the batch: small records together would be refused as too large.
 */
const MAX_BYTES = 768 * 1024;
/** What a record costs besides its key, value and headers, generously. */
const RECORD_OVERHEAD_BYTES = 64;

type Fill = { round: number; records: number; bytes: number };

/** Rounds of records to send one after the other; each partition's order is kept, and a round holds a fitting batch for each. */
export function roundsOf(records: readonly OutgoingRecord[]): OutgoingRecord[][] {
  const rounds: OutgoingRecord[][] = [];
  const fills = new Map<string, Fill>();
  for (const record of records) {
    const key = `${record.partition}/${record.topic}`;
    const bytes = sizeOf(record);
    let fill = fills.get(key);
    if (!fill) fills.set(key, (fill = { round: 0, records: 0, bytes: 0 }));
    if (fill.records > 0 && (fill.records >= MAX_RECORDS || fill.bytes + bytes > MAX_BYTES)) {
      fill.round += 1;
      fill.records = fill.bytes = 0;
    }
    fill.records += 1;
    fill.bytes += bytes;
    (rounds[fill.round] ??= []).push(record);
  }
  return rounds;
}

/** A round in kafkajs's terms. */
export function toTopicMessages(records: readonly OutgoingRecord[]): TopicMessages[] {
  return [...Map.groupBy(records, ({ topic }) => topic)].map(([topic, own]) => ({
    topic,
    messages: own.map(({ partition, key, value, headers }) => ({ partition, key, value, headers })),
  }));
}

/**
 * Compares what was answered with what was sent. A send that spans two brokers, one of which loses a partition meanwhile,
 * is retried by kafkajs without that partition, and resolves as if nothing were missing (upstream PR #1798).
 *
 * @throws BelfryError `broker_unavailable` when a partition is missing
 */
export function requireAllAnswered(sent: readonly OutgoingRecord[], answered: readonly RecordMetadata[]): void {
  const answers = new Set(answered.map(({ topicName, partition }) => `${partition}/${topicName}`));
  const missing = sent.find(({ topic, partition }) => !answers.has(`${partition}/${topic}`));
  if (!missing) return;
  const { topic, partition } = missing;
  throw unavailable(`Kafka did not acknowledge records of topic ${topic}, partition ${partition}.`, undefined, {
    topic,
    partition,
  });
}

export function sizeOf({ key, value, headers }: OutgoingRecord): number {
  const headerBytes = Object.entries(headers).reduce(
    (sum, [name, text]) => sum + 3 * (name.length + text.length) + 10,
    0,
  );
  return RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes;
}
