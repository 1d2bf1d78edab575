/** Takes batches from the consumer into the queues of owned partitions, reads them, and holds the consumer back when they fill up. */
import { messageOf } from '../core/errors.ts';
import type { FetchedBatch, GroupConsumer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { PositionMarks } from '../core/ports/position-marks.ts';
import type { ConsumedRecord } from '../core/records.ts';
import { INTAKES, type Intake as Topic, type Topics } from '../core/topics.ts';
import { backoffMs } from './backoff.ts';
import type { TimerLimits } from './deps.ts';
import { inputNames } from './input-names.ts';
import { readCommand, readOutcome, readRetry, type Input, type ReadOptions } from './inputs.ts';
import type { IntakeQueue } from './intake-queue.ts';
import type { OwnedPartition } from './owned.ts';
import type { Notices } from './notices.ts';

export type IntakeOptions = ReadOptions & {
  topics: Topics;
  limits: TimerLimits;
  partitionsOwned: () => number;
  clock: Clock;
  log: Log;
  /** What webhooks are to be sent; without it nobody has any. */
  notices?: Notices | undefined;
  marks: PositionMarks;
  /** Something is ready for a step. */
  onReady(): void;
  /** Records are missing before what was fetched. */
  onGap(owned: OwnedPartition, topic: Topic): void;
};

/** More in one queue helps nobody: a step takes less. */
const MOST_BYTES_OF_ONE = 8 * 1024 * 1024;

export class Intake {
  private readonly options: IntakeOptions;
  private readonly reading = new WeakSet<IntakeQueue>();
  private consumer: Pick<GroupConsumer, 'seek' | 'pause' | 'resume'> | undefined;

  constructor(options: IntakeOptions) {
    this.options = options;
  }

  attach(consumer: Pick<GroupConsumer, 'seek' | 'pause' | 'resume'>): void {
    this.consumer = consumer;
  }

  accept(owned: OwnedPartition, batch: FetchedBatch): void {
    const { topics, notices } = this.options;
    const topic = INTAKES.find((name) => topics[name] === batch.topic);
    if (topic === undefined) return;
    const queue = owned.queues[topic];
    const read: Record<Topic, (record: ConsumedRecord) => Input | 'later' | undefined> = {
      commands: () => 'later',
      retry: (record) => readRetry(record, this.options),
      completed: (record) => (notices?.mayConcern(record) === true ? 'later' : readOutcome(record)),
    };
    const isAccepted = queue.accept(batch, (record) => this.unless(owned, topic, record, read[topic]));
    this.options.marks.clear();
    if (!isAccepted) {
      this.consumer?.seek({ topic: batch.topic, partition: batch.partition }, queue.expected);
      this.options.onGap(owned, topic);
      return;
    }
    if (topic !== 'retry') void this.readAll(owned, queue);
    this.holdBack(owned);
    if (queue.length > 0) this.options.onReady();
  }

  /** Pauses what holds too much, resumes what was worked off; called after each batch and each step. */
  holdBack(owned: OwnedPartition): void {
    const { topics, limits, partitionsOwned } = this.options;
    const mostBytes = Math.min(MOST_BYTES_OF_ONE, limits.heldBytes / (INTAKES.length * partitionsOwned()));
    for (const topic of INTAKES) {
      const queue = owned.queues[topic];
      const share = Math.max(queue.length / limits.heldRecords, queue.bytes / mostBytes);
      const tps = [{ topic: topics[topic], partition: owned.partition }];
      if (!queue.paused && share >= 1) this.consumer?.pause(tps);
      else if (queue.paused && share < 0.5) this.consumer?.resume(tps);
      else continue;
      queue.paused = !queue.paused;
    }
  }

  /** Reads what was left unread in the background, in order: a schema registry that is away must not keep timers from firing. */
  private async readAll(owned: OwnedPartition, queue: IntakeQueue): Promise<void> {
    if (this.reading.has(queue)) return;
    this.reading.add(queue);
    for (let item = queue.nextUnread(); item !== undefined && owned.live; item = queue.nextUnread()) {
      const input = await this.readOne(owned, item.record!);
      if (input === undefined) queue.skip(item);
      else item.input = input;
    }
    this.reading.delete(queue);
    this.options.onReady();
  }

  /** Reads a record, if owners before were not lost at it. */
  private unless<R>(
    owned: OwnedPartition,
    topic: Topic,
    record: ConsumedRecord,
    read: (record: ConsumedRecord) => R,
  ): Input | R {
    const refused = owned.refused.size === 0 ? undefined : owned.refused.get(inputNames.record(topic, record.offset));
    if (refused !== undefined) return refused;
    this.options.marks.record(owned.partition, topic, record.offset, record.key);
    return read(record);
  }

  /** Undefined: it means nothing here. */
  private async readOne(owned: OwnedPartition, record: ConsumedRecord): Promise<Input | undefined> {
    const { topics, notices, marks } = this.options;
    const topic = record.topic === topics.completed ? 'completed' : 'commands';
    const mark = (): void => marks.record(owned.partition, topic, record.offset, record.key);
    for (let failures = 1; ; failures++) {
      try {
        mark();
        return topic === 'completed'
          ? readOutcome(record, await notices?.of(record))
          : await readCommand(record, this.options, mark);
      } catch (thrown) {
        const { partition, offset } = record;
        const place = { topic: record.topic, partition, offset: String(offset), reason: messageOf(thrown) };
        this.options.log.warn(place, 'a record cannot be read yet; trying again');
        await this.options.clock.sleep(backoffMs(failures));
        if (!owned.live) return { kind: 'forward', partition };
      } finally {
        marks.clear();
      }
    }
  }
}
