/**
 * The broker as Belfry needs it: plain and transactional producers, group consumers whose position is the caller's,
 * and readers without a group. Implementations: `adapters/kafka`, `adapters/memory`.
 *
 * Errors of every method: BelfryError `broker_unavailable` (retryable) when the broker cannot be reached or the outcome
 * is unknown; `record_refused` (not retryable, `ids.topic`) when the broker will never take this record: it is too large, or
 * invalid; `topic_missing` and `broker_denied` (retryable, `ids.topic` where it is one) when somebody must make the topic or grant
 * what is missing: nothing is the record's fault, and all goes on by itself once that is done.
 */
import type { ConsumedRecord, OutgoingRecord } from '../records.ts';

export type TopicPartition = { topic: string; partition: number };
export type GroupOffset = TopicPartition & { groupId: string; /** The next offset to read. */ offset: bigint };

export interface Producer {
  /**
   * Writes all records, each partition's in order, acks=all, idempotent; resolves when all are durable and checks that
   * every partition sent was answered. After a failure some of them may have been written: callers repeat, readers drop repeats.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  close(): Promise<void>;
}

export interface TransactionalProducer {
  /** Ends whatever transaction a former holder of this transactional id left open, and fences that holder. */
  init(): Promise<void>;
  /**
   * One whole transaction: the records and the consumer positions become visible together, or neither does.
   * Not concurrent: the caller serialises. After an error the outcome is unknown and the producer has been replaced
   * (not initialised again by itself when it was fenced: then `producer_fenced`, not retryable).
   */
  transact(records: readonly OutgoingRecord[], offsets: readonly GroupOffset[]): Promise<void>;
  /** From here on nothing takes the id again, not even a transaction that is under way: it fails, or was committed. */
  close(): Promise<void>;
}

/** What `position` answers for a newly assigned partition: an offset to read from, the group's committed one, or hold until `seek`. */
export type Position = bigint | 'committed' | 'hold';

export type FetchedBatch = TopicPartition & {
  /** The offset that was asked for: a position past the one expected means that records would be missed. */
  fetchedOffset: bigint;
  /** Offset behind the last one covered by the batch (markers included): where the next fetch starts. */
  nextOffset: bigint;
  highWatermark: bigint;
  records: readonly ConsumedRecord[];
};

export type GroupOptions = {
  groupId: string;
  topics: readonly string[];
  /** Stable name of this member while the process lives: the sticky assignor keeps its partitions. */
  memberName: string;
  /** True: the same partition numbers of all topics go to one member. */
  copartitioned: boolean;
  isolation: 'read_committed' | 'read_uncommitted';
  sessionTimeoutMs: number;
  /** Of each partition, about as many bytes come at once, so that a full one does not hold up the others; default: 1 MiB. */
  fetchBytes?: number;
};

/** All are called synchronously and must not block; they hand off. */
export type GroupListener = {
  /**
   * A (re)join: everything that this member holds now. What is absent is lost. Empty when the member crashed, stopped,
   * or lost its connection. Called before any batch of the new assignment.
   */
  onAssignment(assignment: readonly TopicPartition[]): void;
  /** Asked for each assigned partition right after onAssignment, at every join (a rejoin rewinds even retained ones). */
  position(tp: TopicPartition): Position;
  onBatch(batch: FetchedBatch): void;
  /** A heartbeat of the current assignment was accepted: this member is no zombie. */
  onHeartbeat?(): void;
  /** The client cannot recover: the process must end with an error. */
  onFatal(error: Error): void;
};

export interface GroupConsumer {
  /** Joins the group; resolves at once, keeps trying while the broker is away. */
  start(): Promise<void>;
  /** Next fetch of an assigned partition starts here; also releases a held one. Ignored when not assigned. */
  seek(tp: TopicPartition, offset: bigint): void;
  pause(tps: readonly TopicPartition[]): void;
  resume(tps: readonly TopicPartition[]): void;
  /** Leaves the group at once, so that others take over without waiting for the session to end. */
  stop(): Promise<void>;
}

export type TailOptions = {
  topics: readonly string[];
  /**
   * `end`: only what is written after this call resolved; `beginning`: all that is kept; records from this time on (ms); or from
   * these offsets of the partitions on, of the first one kept where it is later (one topic only; a partition not named: all).
   */
  from: 'end' | 'beginning' | { timestampMs: number } | { offsets: ReadonlyMap<number, bigint> };
  isolation: 'read_committed' | 'read_uncommitted';
  /**
   * What it answers as a promise is under way until that settles: the tail reads no further while that are 1,000 records or 8 MiB.
   * Its order is the caller's to keep.
   */
  onRecord(record: ConsumedRecord): unknown;
  /** Called each time everything that stood in the topics when the tail began has been read. */
  onCaughtUp?(): void;
};

export interface Tail {
  close(): Promise<void>;
}

/** Something that this process may not use, as far as it needs to. */
export type Resource = 'topic' | 'group' | 'transactional id' | 'cluster';
export type Denial = { resource: Resource; name: string };

/** What is denied, and what to do. */
export function adviceOn({ resource, name }: Denial): string {
  return `Kafka denies ${resource} ${name}: ${ADVICE[resource](name)}`;
}

const ADVICE: Readonly<Record<Resource, (name: string) => string>> = {
  topic: (name) => `grant this service's user READ, WRITE and DESCRIBE on topic ${name}.`,
  group: (name) => `grant this service's user READ and DESCRIBE on group ${name}.`,
  'transactional id': (name) => `grant this service's user WRITE and DESCRIBE on transactional id ${name}.`,
  cluster: () => "grant this service's user IDEMPOTENT_WRITE on the cluster, or WRITE on the topics that it writes to.",
};

export interface Broker {
  /** Connects; waits and retries while the broker is away. */
  producer(): Promise<Producer>;
  transactional(transactionalId: string): Promise<TransactionalProducer>;
  /** Ends the open transaction of a dead holder and fences it. */
  fence(transactionalId: string): Promise<void>;
  group(options: GroupOptions, listener: GroupListener): GroupConsumer;
  /** Reads without a group of its own; resolves when its position is fixed, so that an answer to a later question is seen. */
  tail(options: TailOptions): Promise<Tail>;
  /** Number of partitions, undefined when there is no such topic. May be cached for some seconds. */
  partitions(topic: string): Promise<number | undefined>;
  /**
   * The committed position of a group, undefined when there is none. Asked of the broker every time, never of a cache. The
   * broker answers a transaction's commit a moment before others see it: `init` of its id waits for that.
   */
  committed(groupId: string, tp: TopicPartition): Promise<bigint | undefined>;
  /** First offset kept and end of the log, by partition. */
  logRange(topic: string): Promise<ReadonlyMap<number, { first: bigint; end: bigint }>>;
  close(): Promise<void>;
}
