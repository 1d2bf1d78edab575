/** What a memory broker's clients share: topics, groups, transactional ids, and the faults between them and these. */
import { BelfryError } from '../../core/errors.ts';
import type { GroupOffset, TopicPartition } from '../../core/ports/broker.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { OutgoingRecord } from '../../core/records.ts';
import { MemoryGroup } from './broker-groups.ts';
import { PartitionLog } from './broker-log.ts';
import type { LogTransaction } from './broker-log.ts';
import type { MemoryReader } from './broker-reader.ts';
import { MemoryTransactions } from './broker-transactions.ts';

export type BrokerRequest = 'send' | 'init' | 'begin' | 'commit' | 'ask';

/**
 * Faults to inject. A request waits for `before`, takes effect, waits for `after`, and is answered: a throw of the first
 * means that nothing happened, of the second that it did although its caller hears of an error.
 */
export type BrokerFaults = {
  before?(client: string, request: BrokerRequest): Promise<void> | void;
  after?(client: string, request: BrokerRequest): Promise<void> | void;
  /** False: this partition has nothing for this client now; it is asked again soon. */
  mayFetch?(client: string, tp: TopicPartition): boolean;
  /** True: nobody may write to the topic, or ask for it. */
  denies?(topic: string): boolean;
};

export type MemoryBrokerOptions = {
  clock: Clock;
  faults?: BrokerFaults;
  /** Of a request, of an answer, and of a record's way to its readers. */
  latencyMs?: number;
  /** The largest record that any topic takes. */
  maxRecordBytes?: number;
};

const DEFAULT_MAX_RECORD_BYTES = 1024 * 1024;

export class MemoryCluster {
  readonly clock: Clock;
  readonly faults: BrokerFaults;
  readonly latencyMs: number;
  readonly transactions: MemoryTransactions;
  /** Woken when something is written or becomes visible. */
  readonly readers = new Set<MemoryReader>();
  private readonly maxRecordBytes: number;
  private readonly topics = new Map<string, PartitionLog[]>();
  private readonly groups = new Map<string, MemoryGroup>();

  constructor({ clock, faults = {}, latencyMs = 0, maxRecordBytes = DEFAULT_MAX_RECORD_BYTES }: MemoryBrokerOptions) {
    this.clock = clock;
    this.faults = faults;
    this.latencyMs = latencyMs;
    this.maxRecordBytes = maxRecordBytes;
    this.transactions = new MemoryTransactions(
      clock,
      (offset) => this.commitOffset(offset),
      () => this.wakeReaders(),
    );
  }

  createTopic(topic: string, partitions: number): void {
    if (this.topics.has(topic)) return;
    this.topics.set(
      topic,
      Array.from({ length: partitions }, (_, partition) => new PartitionLog(topic, partition)),
    );
  }

  deleteTopic(topic: string): void {
    this.topics.delete(topic);
  }

  partitionLogs(topic: string): readonly PartitionLog[] | undefined {
    return this.topics.get(topic);
  }

  logOf({ topic, partition }: TopicPartition): PartitionLog | undefined {
    return this.topics.get(topic)?.[partition];
  }

  group(groupId: string): MemoryGroup {
    let group = this.groups.get(groupId);
    if (!group) {
      group = new MemoryGroup(this.clock, (topic) => this.topics.get(topic)?.length ?? 0);
      this.groups.set(groupId, group);
    }
    return group;
  }

  offsetOf(groupId: string, { topic, partition }: TopicPartition): bigint | undefined {
    return this.group(groupId).offsets.get(`${partition}/${topic}`);
  }

  /** Appends all, or refuses all. @throws BelfryError `record_refused`, `topic_missing`, `broker_denied` */
  append(records: readonly OutgoingRecord[], transaction: LogTransaction | null): void {
    for (const record of records) this.requireAcceptable(record);
    for (const record of records) this.logOf(record)?.append(record, this.clock.now(), transaction);
    this.wakeReaders();
  }

  requireAcceptable({ topic, partition, key, value }: OutgoingRecord): void {
    const ids = { topic, partition };
    this.requireAllowed(topic);
    if (!this.topics.has(topic)) throw missing(`There is no topic ${topic}.`, ids);
    if (!this.logOf(ids)) throw missing(`Topic ${topic} has no partition ${partition}.`, ids);
    const bytes = (key?.length ?? 0) + (value?.length ?? 0);
    if (bytes <= this.maxRecordBytes) return;
    throw new BelfryError('record_refused', `A record of ${bytes} bytes is too large for topic ${topic}.`, { ids });
  }

  requireAllowed(topic: string): void {
    if (this.faults.denies?.(topic) !== true) return;
    throw new BelfryError('broker_denied', `Kafka denies topic ${topic}.`, { retryable: true, ids: { topic } });
  }

  private commitOffset({ groupId, topic, partition, offset }: GroupOffset): void {
    this.group(groupId).offsets.set(`${partition}/${topic}`, offset);
  }

  private wakeReaders(): void {
    for (const reader of this.readers) reader.wake();
  }
}

export function missing(message: string, ids: { topic: string; partition?: number }): BelfryError {
  return new BelfryError('topic_missing', message, { retryable: true, ids });
}
