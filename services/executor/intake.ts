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
import type { InHand, Load } from './in-hand.ts';
import type { Partitions } from './partitions.ts';
import type { Slots } from './slots.ts';
import type { Source } from './task.ts';

const SESSION_TIMEOUT_MS = 6_000;
/**
 * What may wait of a priority: a resumed partition is fetched some hundred milliseconds later only, so it must last for longer
 * than that at full speed. With all three, an executor holds 64 MiB of records that wait, and a fetch more.
 */
const MOST_WAITING = 5_000;
const MOST_WAITING_BYTES = (64 / 3) * 1024 * 1024;
/** Some hundred records of each partition at once: what a flood has written is read piece by piece, between the records of others. */
const FETCH_BYTES = 64 * 1024;
const RESUME_BELOW = 0.75;
const NOTHING: Load = { count: 0, bytes: 0 };

export type IntakeDeps = {
  broker: Broker;
  topics: Topics;
  partitions: Partitions;
  log: Log;
  queue: string;
  prefix: string;
  memberName: string;
  slots: Slots;
  inHand: InHand;
  /** Rows of runs that were handed over, still to be written. */
  unwritten: () => number;
  onDue: (due: DueRecord, source: Source, record: ConsumedRecord) => void;
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
  /** So many must wait, or slots would idle until the next fetch. */
  private readonly mostWaiting: number;

  constructor(deps: IntakeDeps) {
    this.deps = deps;
    this.mostWaiting = Math.max(MOST_WAITING, 2 * deps.slots.total);
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
    const { inHand, topics, queue, unwritten } = this.deps;
    for (const [priority, consumer] of this.consumers) {
      const share = this.shareOf(inHand.of(topics.due(queue, priority))) + unwritten() / this.mostWaiting;
      const paused = this.paused[priority];
      if (share >= 1) this.pause(priority, consumer, share >= 2 ? 0 : 1);
      else if (paused.size > 0 && share < RESUME_BELOW) {
        consumer.resume(this.partitionsOf(priority).filter(({ partition }) => paused.has(partition)));
        paused.clear();
      }
    }
  }

  /** Of what may wait of a priority: 1 is all of it. */
  private shareOf({ count, bytes }: Load): number {
    return Math.max(count / this.mostWaiting, bytes / MOST_WAITING_BYTES);
  }

  /** Those with their full part of the bound; all of them when none has, since then it comes from elsewhere. */
  private pause(priority: Priority, consumer: GroupConsumer, bound: number): void {
    const paused = this.paused[priority];
    const held = this.partitionsOf(priority);
    const reading = held.filter(({ partition }) => !paused.has(partition));
    if (reading.length === 0) return;
    const full = reading.filter(({ topic, partition }) => {
      const load = this.deps.partitions.get(topic, partition)?.load ?? NOTHING;
      return this.shareOf(load) >= bound / held.length;
    });
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
      const source = { partition: held, offset: record.offset };
      const read = readDue(record.value);
      if ('due' in read) this.deps.onDue(read.due, source, record);
      else this.deps.onGarbage(record, read.rejection, source);
    }
    if (held.position === null || batch.nextOffset > held.position) held.position = batch.nextOffset;
    // One that was lost and assigned again while it is paused is not paused yet.
    if (this.paused[priority].has(held.partition)) consumer?.pause([held]);
    this.deps.onBatchEnd();
    this.throttle();
  }
}
