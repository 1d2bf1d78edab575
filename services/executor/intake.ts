/**
 * Reads due records: one consumer, of one group, for each priority. It only takes records in; the backlog decides.
 *
 * Invariants: each offset of a held partition is taken in once, in order: a retained partition goes on where it was
 * (a rejoin would rewind it), a batch that begins past the expected offset is refused and asked for again; what waits is
 * bounded: of a priority with too much of it, the partitions that it comes from are paused, since Kafka keeps records better
 * than memory does. The others are read on: a flood fills the partitions of its own (`Records.due`), not theirs.
 */
import { readDue } from '../core/internal/due.ts';
import { PRIORITIES, type Priority } from '../core/model.ts';
import type { Broker, FetchedBatch, GroupConsumer, Position, TopicPartition } from '../core/ports/broker.ts';
import type { Log } from '../core/ports/log.ts';

import type { ConsumedRecord, DueRecord, Rejection } from '../core/records.ts';
import { executorGroup, type Topics } from '../core/topics.ts';
import type { ExecutorMetrics } from './metrics.ts';
import type { Partitions } from './partitions.ts';
import type { Source, TaskOrigin } from './task.ts';

const SESSION_TIMEOUT_MS = 6_000;
/**
 * How many tasks of a priority may wait: a resumed partition is fetched some hundred milliseconds later only, so what waits must
 * last for longer than that at full speed. Bytes are estimated by the mean of the latest records.
 */
const MOST_WAITING = 5_000;
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
/** Some hundred records of each partition at once: what a flood has written is read piece by piece, between the records of others. */
const FETCH_BYTES = 64 * 1024;
const RESUME_BELOW = 0.75;
const MEAN_OF = 16;

export type IntakeDeps = {
  broker: Broker;
  topics: Topics;
  partitions: Partitions;
  log: Log;
  metrics: ExecutorMetrics;
  queue: string;
  prefix: string;
  memberName: string;
  /** So many tasks of a priority may wait at least, however large they are. */
  fewest: number;
  waiting: (priority: Priority) => number;
  /** Of those, what waits for a slot, by partition. */
  byPartition: (priority: Priority) => ReadonlyMap<number, number>;
  onDue: (due: DueRecord, source: Source, origin: TaskOrigin) => void;
  /** It is no due record: nothing but a timer should write there. */
  onGarbage: (record: ConsumedRecord, rejection: Rejection, source: Source) => void;
  /** A batch has been taken in. */
  onBatchEnd: () => void;
  /** Partitions were lost. */
  onLost: () => void;
  onFatal: (error: unknown) => void;
};

export class Intake {
  private readonly deps: IntakeDeps;
  private readonly consumers = new Map<Priority, GroupConsumer>();
  private readonly paused: Record<Priority, Set<number>> = { high: new Set(), medium: new Set(), low: new Set() };
  /** Priorities whose group has told what this member gets, be it nothing. */
  private readonly joined = new Set<Priority>();
  private meanBytes = 0;

  constructor(deps: IntakeDeps) {
    this.deps = deps;
  }

  async start(): Promise<void> {
    const { broker, topics, prefix, queue, memberName } = this.deps;
    for (const priority of PRIORITIES) {
      const topic = topics.due(queue, priority);
      const groupId = executorGroup(prefix, queue, priority);
      const options = {
        groupId,
        topics: [topic],
        memberName,
        copartitioned: false,
        isolation: 'read_uncommitted',
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        fetchBytes: FETCH_BYTES,
      } as const;
      const consumer = broker.group(options, {
        onAssignment: (assignment) => {
          this.joined.add(priority);
          if (this.deps.partitions.assign(topic, groupId, assignment)) this.deps.onLost();
        },
        position: ({ partition }) => this.position(topic, partition),
        onBatch: (batch) => this.take(priority, batch),
        onFatal: (error) => this.deps.onFatal(error),
      });
      this.consumers.set(priority, consumer);
    }
    await Promise.all(this.consumers.values().map((consumer) => consumer.start()));
  }

  /** Whether every group has let this member in: from then on each due record has somebody who reads it. */
  get ready(): boolean {
    return this.joined.size === PRIORITIES.length;
  }

  /** Leaves the groups: others take the partitions over at once. */
  async stop(): Promise<void> {
    await Promise.all(this.consumers.values().map((consumer) => consumer.stop()));
  }

  /** Pauses and resumes partitions by what waits; called when either has changed. */
  throttle(): void {
    const bound = Math.max(this.deps.fewest, Math.min(MOST_WAITING, MOST_WAITING_BYTES / this.meanBytes));
    for (const [priority, consumer] of this.consumers) {
      const waiting = this.deps.waiting(priority);
      const paused = this.paused[priority];
      if (waiting >= bound) this.pause(priority, consumer, waiting >= 2 * bound ? 0 : bound);
      else if (paused.size > 0 && waiting < bound * RESUME_BELOW) {
        consumer.resume(this.partitionsOf(priority).filter(({ partition }) => paused.has(partition)));
        paused.clear();
      }
    }
  }

  /** Those with their full share of the bound; all of them when none has, since then it comes from elsewhere. */
  private pause(priority: Priority, consumer: GroupConsumer, bound: number): void {
    const paused = this.paused[priority];
    const held = this.partitionsOf(priority);
    const reading = held.filter(({ partition }) => !paused.has(partition));
    if (reading.length === 0) return;
    const share = bound / held.length;
    const counts = this.deps.byPartition(priority);
    const full = reading.filter(({ partition }) => (counts.get(partition) ?? 0) >= share);
    const chosen = full.length === 0 && paused.size === 0 ? reading : full;
    if (chosen.length === 0) return;
    for (const { partition } of chosen) paused.add(partition);
    consumer.pause(chosen);
  }

  private partitionsOf(priority: Priority): TopicPartition[] {
    return this.deps.partitions.of(this.deps.topics.due(this.deps.queue, priority));
  }

  private position(topic: string, partition: number): Position {
    return this.deps.partitions.get(topic, partition)?.position ?? 'committed';
  }

  private take(priority: Priority, batch: FetchedBatch): void {
    const held = this.deps.partitions.get(batch.topic, batch.partition);
    if (held === undefined) return;
    const consumer = this.consumers.get(priority);
    if (held.position !== null && batch.fetchedOffset > held.position) {
      this.deps.log.warn(
        {
          topic: batch.topic,
          partition: batch.partition,
          expected: String(held.position),
          got: String(batch.fetchedOffset),
        },
        'records were skipped, reading them again',
      );
      consumer?.seek(held, held.position);
      return;
    }
    for (const record of batch.records) {
      if (held.position !== null && record.offset < held.position) continue;
      held.position = record.offset + 1n;
      held.committed ??= record.offset;
      if (!held.watermark.add(record.offset)) continue;
      this.meanBytes += ((record.value?.length ?? 0) - this.meanBytes) / MEAN_OF;
      const source = { partition: held, offset: record.offset };
      const read = readDue(record.value);
      const { topic, partition, offset } = record;
      if ('due' in read) this.deps.onDue(read.due, source, { topic, partition, offset });
      else this.deps.onGarbage(record, read.rejection, source);
    }
    if (held.position === null || batch.nextOffset > held.position) held.position = batch.nextOffset;
    // One that was lost and assigned again while it is paused is not paused yet.
    if (this.paused[priority].has(held.partition)) consumer?.pause([held]);
    this.deps.onBatchEnd();
    this.throttle();
  }
}
