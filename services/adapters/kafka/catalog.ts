/** What the broker knows of topics and groups. Positions are asked of it every time: kafkajs's own cache also holds what aborted. */
import type { Admin } from 'kafkajs';
import type { TopicPartition } from '../../core/ports/broker.ts';
import type { OutgoingRecord } from '../../core/records.ts';
import { UNKNOWN_TOPIC } from './admin-client.ts';
import type { AdminClient, AdminWork } from './admin-client.ts';
import { hasType, topicMissing, unavailable } from './errors.ts';

const CACHED_MS = 5_000;

type Offsets = Awaited<ReturnType<Admin['fetchOffsets']>>;
type OffsetQuery = { fromBeginning: boolean } | { fromTimestamp: number };

export class Catalog {
  private readonly admin: AdminClient;
  /** Topics that exist; a missing one is asked for again. */
  private readonly known = new Map<string, { partitions: number; askedAt: number }>();
  /** Questions under way. */
  private readonly asking = new Map<string, Promise<number | undefined>>();

  constructor(admin: AdminClient) {
    this.admin = admin;
  }

  /** Number of partitions, undefined when there is no such topic. @param maxAgeMs 0 asks the broker */
  async partitions(topic: string, maxAgeMs = CACHED_MS): Promise<number | undefined> {
    const known = this.known.get(topic);
    if (known && this.admin.clock.now() - known.askedAt < maxAgeMs) return known.partitions;
    // Thousands may ask in the moment in which the answer has grown old: they share one question.
    const asking = this.asking.get(topic) ?? this.askPartitions(topic).finally(() => this.asking.delete(topic));
    this.asking.set(topic, asking);
    return asking;
  }

  /**
   * Checks that every record has somewhere to go: kafkajs retries an unknown topic for seconds, and silently skips a
   * partition that its metadata lack.
   *
   * @throws BelfryError `topic_missing`, `broker_denied`, `broker_unavailable`
   */
  async requirePartitions(records: readonly OutgoingRecord[]): Promise<void> {
    const highest = new Map<string, number>();
    for (const { topic, partition } of records) {
      if (partition >= (highest.get(topic) ?? -1)) highest.set(topic, partition);
    }
    for (const [topic, partition] of highest) {
      const enough = (count: number | undefined): boolean => count !== undefined && partition < count;
      if (enough(await this.partitions(topic)) || enough(await this.partitions(topic, 0))) continue;
      const problem = this.known.has(topic)
        ? `Topic ${topic} has no partition ${partition}.`
        : `There is no topic ${topic}.`;
      throw topicMissing(problem, { topic, partition });
    }
  }

  /**
   * All committed positions of the group on a topic, by partition. Asked for without naming the topic: kafkajs would look
   * it up first, and a broker whose metadata lag would turn a position into none, from which all would be written again.
   */
  async committed(groupId: string, topic: string): Promise<ReadonlyMap<number, bigint>> {
    const what = `asking for the position of group ${groupId}`;
    const ask: AdminWork<Offsets> = (admin) => admin.fetchOffsets({ groupId });
    const offsets = await this.admin.call(what, ask, { ids: { group: groupId } });
    const partitions = offsets.find((entry) => entry.topic === topic)?.partitions ?? [];
    const positions = partitions.map(({ partition, offset }) => [partition, BigInt(offset)] as const);
    // -1: none. -2: kafkajs committed "earliest" after a position out of range.
    return new Map(positions.filter(([, offset]) => offset >= 0n));
  }

  /** @throws BelfryError `topic_missing` */
  async logRange(topic: string): Promise<Map<number, { first: bigint; end: bigint }>> {
    const firsts = await this.offsets(topic, { fromBeginning: true });
    const ends = await this.offsets(topic, { fromBeginning: false });
    return new Map([...ends].map(([partition, end]) => [partition, { first: firsts.get(partition) ?? end, end }]));
  }

  /** The first offset of this time or later in each partition; those that have none are missing. */
  async offsetsSince(topic: string, timestampMs: number): Promise<Map<number, bigint>> {
    const offsets = await this.offsets(topic, { fromTimestamp: timestampMs });
    return new Map([...offsets].filter(([, offset]) => offset >= 0n));
  }

  /** Where a reader of `tp` without a position of its own starts: the committed one, or else the oldest record kept. */
  async startOf(groupId: string, parts: readonly TopicPartition[]): Promise<Map<TopicPartition, bigint>> {
    const starts = new Map<TopicPartition, bigint>();
    for (const [topic, own] of Map.groupBy(parts, (part) => part.topic)) {
      const committed = await this.committed(groupId, topic);
      const missing = own.some(({ partition }) => !committed.has(partition));
      const range = missing ? await this.logRange(topic) : undefined;
      for (const part of own)
        starts.set(part, committed.get(part.partition) ?? range?.get(part.partition)?.first ?? 0n);
    }
    return starts;
  }

  /** Offsets by partition, those of open transactions included. */
  private async offsets(topic: string, which: OffsetQuery): Promise<Map<number, bigint>> {
    const found = await this.ask(topic, `asking for offsets of topic ${topic}`, async (_admin, cluster) => {
      await cluster.connect();
      await cluster.addTargetTopic(topic);
      await cluster.refreshMetadataIfNecessary();
      const known = cluster.findTopicPartitionMetadata(topic);
      const partitions = known.map(({ partitionId }) => ({ partition: partitionId }));
      return cluster.fetchTopicsOffset([{ topic, partitions, ...which }]).catch((error: unknown) => {
        // The metadata have it: a topic that was just made, whose leader does not serve it yet, is worth another try.
        throw isUnknownTopic(error) ? unavailable(`The leaders of topic ${topic} do not serve it yet.`) : error;
      });
    });
    if (!found) throw topicMissing(`There is no topic ${topic}.`, { topic });
    const partitions = found.flatMap((entry) => entry.partitions);
    return new Map(partitions.map(({ partition, offset }) => [partition, BigInt(offset)]));
  }

  private async askPartitions(topic: string): Promise<number | undefined> {
    const askedAt = this.admin.clock.now();
    const metadata = await this.ask(topic, `asking for topic ${topic}`, (admin) =>
      admin.fetchTopicMetadata({ topics: [topic] }),
    );
    const partitions = metadata?.topics.find(({ name }) => name === topic)?.partitions.length;
    if (partitions === undefined) this.known.delete(topic);
    else this.known.set(topic, { partitions, askedAt });
    return partitions;
  }

  /** Undefined when there is no such topic. */
  private async ask<T>(topic: string, what: string, work: AdminWork<T>): Promise<T | undefined> {
    try {
      return await this.admin.call(what, work, { final: isUnknownTopic, ids: { topic } });
    } catch (error) {
      if (isUnknownTopic(error)) return undefined;
      throw error;
    }
  }
}

function isUnknownTopic(error: unknown): boolean {
  return hasType(error, UNKNOWN_TOPIC) || hasType(error, 'INVALID_TOPIC_EXCEPTION');
}
