/**
 * Passes what a group reads on to other partitions and topics: a batch's records and the group's position in one transaction.
 *
 * Invariants: one batch at a time, in the order in which they came; each is tried until it is durable, unless it is not wanted any
 * more or the relay is closed: so no record is passed over, and none is passed on twice by one process. A producer that failed is
 * closed before the next try takes its transactional id: a transaction of it that is still under way would otherwise take the id
 * back, and write what that try has written.
 *
 * A record that cannot be passed on (it cannot be read, or Kafka never takes it) is rejected by itself, with the reason; its
 * neighbours go on. What waits is bounded: partitions are paused while many batches do.
 */
import { messageOf } from '../core/errors.ts';
import type {
  Broker,
  FetchedBatch,
  GroupConsumer,
  TopicPartition,
  TransactionalProducer,
} from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ConsumedRecord, OutgoingRecord } from '../core/records.ts';
import { backoffMs } from './backoff.ts';
import { isRefusal } from './emitter.ts';

export type RelayOptions = {
  broker: Broker;
  clock: Clock;
  log: Log;
  /** Whose position moves. */
  groupId: string;
  /** Who else passes on under the id of this batch is fenced. */
  transactionalId: (batch: FetchedBatch) => string;
  /** What a record becomes; null: nothing. What it throws rejects the record. Asked when the batch's turn comes. */
  recordOf: (record: ConsumedRecord) => OutgoingRecord | null;
  /** What says that a record could not be passed on, and why. */
  rejected: (record: ConsumedRecord, reason: string) => OutgoingRecord;
  /** Asked before each try. */
  isWanted: (batch: FetchedBatch) => boolean;
};

/** A record and what becomes of it. A rejection that is too large itself leaves its place and the reason (`brief`). */
type Passage = { from: ConsumedRecord; to: OutgoingRecord | null; kind: 'passed' | 'rejected' | 'brief' };

/** Batches that wait at which their partitions are paused; they resume at half as many. */
const MAX_BATCHES_HELD = 8;

export class Relay {
  private readonly options: RelayOptions;
  private readonly producers = new Map<string, Promise<TransactionalProducer>>();
  private readonly paused = new Map<string, TopicPartition>();
  private consumer: Pick<GroupConsumer, 'pause' | 'resume'> | undefined;
  private last: Promise<void> = Promise.resolve();
  private waiting = 0;
  private closed = false;

  constructor(options: RelayOptions) {
    this.options = options;
  }

  /** Where its batches come from. */
  attach(consumer: Pick<GroupConsumer, 'pause' | 'resume'>): void {
    this.consumer = consumer;
  }

  /** Batches that are not passed on yet. */
  get held(): number {
    return this.waiting;
  }

  /** Takes a batch, behind those before it. @returns when it is passed on, or given up; never rejects */
  accept(batch: FetchedBatch): Promise<void> {
    this.waiting++;
    if (this.waiting >= MAX_BATCHES_HELD) {
      const { topic, partition } = batch;
      this.paused.set(`${topic}/${partition}`, { topic, partition });
      this.consumer?.pause([{ topic, partition }]);
    }
    this.last = this.last.then(() => this.passOn(batch)).finally(() => this.release());
    return this.last;
  }

  /** Gives up what waits; the try under way is finished. */
  async close(): Promise<void> {
    this.closed = true;
    await this.last;
    for (const id of [...this.producers.keys()]) await this.discard(id);
  }

  private release(): void {
    this.waiting--;
    if (this.waiting > MAX_BATCHES_HELD / 2 || this.paused.size === 0) return;
    this.consumer?.resume([...this.paused.values()]);
    this.paused.clear();
  }

  private passOn(batch: FetchedBatch): Promise<void> {
    if (this.closed) return Promise.resolve();
    const passages = batch.records.map((record) => this.passageOf(record));
    return this.write(batch, passages, batch.nextOffset);
  }

  private passageOf(from: ConsumedRecord): Passage {
    try {
      return { from, to: this.options.recordOf(from), kind: 'passed' };
    } catch (thrown) {
      return this.rejection(from, messageOf(thrown));
    }
  }

  private rejection(from: ConsumedRecord, reason: string): Passage {
    const { topic, partition, offset } = from;
    this.options.log.error({ topic, partition, offset: String(offset), reason }, 'a record cannot be passed on');
    return { from, to: this.options.rejected(from, reason), kind: 'rejected' };
  }

  /** Tries until the records are written and the position stands behind them. */
  private async write(batch: FetchedBatch, passages: readonly Passage[], offset: bigint): Promise<void> {
    const { clock, log, groupId, transactionalId, isWanted } = this.options;
    const { topic, partition } = batch;
    const id = transactionalId(batch);
    const records = passages.flatMap(({ to }) => to ?? []);
    for (let failures = 1; !this.closed && isWanted(batch); failures++) {
      try {
        const producer = await this.producer(id);
        return await producer.transact(records, [{ groupId, topic, partition, offset }]);
      } catch (thrown) {
        await this.discard(id);
        const reason = messageOf(thrown);
        if (isRefusal(thrown) && records.length > 0) return this.separate(batch, passages, offset, reason);
        log.warn({ topic, partition, reason }, 'passing on records failed; trying again');
        await clock.sleep(backoffMs(failures));
      }
    }
  }

  /** One of these is refused for good: it is found by halving. */
  private async separate(
    batch: FetchedBatch,
    passages: readonly Passage[],
    offset: bigint,
    reason: string,
  ): Promise<void> {
    if (passages.length === 1) return this.write(batch, [this.instead(passages[0]!, reason)], offset);
    const first = passages.slice(0, Math.ceil(passages.length / 2));
    await this.write(batch, first, first.at(-1)!.from.offset + 1n);
    await this.write(batch, passages.slice(first.length), offset);
  }

  private instead({ from, to, kind }: Passage, reason: string): Passage {
    if (kind === 'passed') return this.rejection(from, reason);
    return { from, to: kind === 'rejected' && to !== null ? { ...to, value: null } : null, kind: 'brief' };
  }

  private producer(id: string): Promise<TransactionalProducer> {
    const producer = this.producers.get(id) ?? this.options.broker.transactional(id);
    this.producers.set(id, producer);
    return producer;
  }

  private async discard(id: string): Promise<void> {
    const former = this.producers.get(id);
    this.producers.delete(id);
    await former?.then((producer) => producer.close()).catch(() => undefined);
  }
}
