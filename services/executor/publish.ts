/**
 * Makes outcomes and consumed offsets known, in one Kafka transaction at a time: whatever comes meanwhile goes with the
 * next, so at low load everything goes at once and under load in few large ones, at a pace of their own.
 *
 * Invariants: an offset is committed only with, or after, the records of all that stands below it; a batch whose
 * transaction failed is published again before anything else (its events have the same ids); offsets of partitions that
 * are not held any more are not committed, and what only they held is left to their new owner, who finds the settled row.
 */
import { bisect } from '../core/bisect.ts';
import { BelfryError, messageOf } from '../core/errors.ts';
import { Pace } from '../core/pace.ts';
import type { Broker, TransactionalProducer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { OutgoingRecord } from '../core/records.ts';
import type { Incarnation, Incarnations } from './incarnation.ts';
import type { Paces } from './paces.ts';
import type { Partitions } from './partitions.ts';
import type { ExecutorMetrics } from './metrics.ts';
import type { Holding } from './task.ts';

const MOST_RECORDS = 2_000;
/** So many do not wait. */
const MANY = 1_000;
const RETRY_MS = 200;

export type Publication = { task: Holding; records: readonly OutgoingRecord[] };

export type PublisherDeps = {
  broker: Broker;
  clock: Clock;
  log: Log;
  paces: Paces;
  metrics: ExecutorMetrics;
  incarnations: Incarnations;
  partitions: Partitions;
  /** Published, or left to a partition's new owner. */
  onDone: (tasks: readonly Holding[]) => void;
  onFatal: (error: unknown) => void;
  goOn: () => boolean;
};

export class Publisher {
  private readonly deps: PublisherDeps;
  private readonly pace: Pace;
  private waiting: Publication[] = [];
  private underWay: Publication[] = [];
  private busy = false;
  private failing: string | undefined;
  private producer: { of: Incarnation; producer: TransactionalProducer } | undefined;

  constructor(deps: PublisherDeps) {
    this.deps = deps;
    this.pace = new Pace(deps.clock, deps.paces.publishMs);
  }

  get pending(): number {
    return this.waiting.length + this.underWay.length;
  }

  /** Whether anything, offsets included, is still to be committed. */
  get idle(): boolean {
    return !this.busy && this.pending === 0 && this.deps.partitions.advanced().length === 0;
  }

  /** Why publishing does not get through at present. */
  get trouble(): string | undefined {
    return this.failing;
  }

  add(publication: Publication): void {
    this.waiting.push(publication);
    this.flush();
  }

  /** Publishes what waits, and offsets that moved on without a record. */
  flush(): void {
    if (!this.busy) this.drain().catch(this.deps.onFatal);
  }

  async close(): Promise<void> {
    const last = this.producer;
    this.producer = undefined;
    if (last !== undefined) await this.discard(last.producer);
  }

  private async drain(): Promise<void> {
    this.busy = true;
    while (this.deps.goOn() && (this.waiting.length > 0 || this.deps.partitions.advanced().length > 0)) {
      await this.pace.wait(this.waiting.length >= MANY);
      this.pace.begin();
      this.underWay = this.nextBatch();
      // From here on what these tasks hold counts as done: this very batch is committed before anything else.
      for (const { task } of this.underWay)
        for (const { partition, offset } of task.sources) partition.watermark.done(offset);
      await this.publish(this.underWay);
      if (!this.deps.goOn()) break;
      const tasks = this.underWay.map((each) => each.task);
      this.underWay = [];
      // The same record may have been read again meanwhile.
      for (const task of tasks) task.release();
      this.deps.onDone(tasks);
    }
    this.busy = false;
  }

  /** What is not this executor's to publish any more is let go here: read again later, it is a new task. */
  private nextBatch(): Publication[] {
    let count = 0;
    let records = 0;
    while (count < this.waiting.length && records < MOST_RECORDS) records += this.waiting[count++]?.records.length ?? 0;
    const batch = this.waiting.splice(0, count);
    this.deps.onDone(batch.filter((each) => !each.task.mine).map((each) => each.task));
    return batch.filter((each) => each.task.mine);
  }

  /**
   * Resolves when all of it is committed, or when the executor gives up at its end. A record that the broker will never take
   * must not stop the others: its run is settled, only its news is lost. Then the offsets come last, when all that stands
   * below them is published.
   */
  private async publish(batch: readonly Publication[]): Promise<void> {
    let isWhole = true;
    await bisect(batch, {
      work: (some) => this.transact(some, isWhole),
      isRefusal: (error) => {
        isWhole = false;
        return error instanceof BelfryError && error.code === 'record_refused';
      },
      isSuspect: ({ records }, error) => records.some(({ topic }) => topic === (error as BelfryError).ids.topic),
      onRefused: ({ task }, error) => {
        const fields = { ...(error as BelfryError).ids, ...task.ids, reason: messageOf(error) };
        this.deps.log.error(fields, 'the broker refuses the event of a run; the run itself is in the history');
      },
    });
    if (!isWhole || batch.length === 0) await this.transact([], true);
  }

  /** One transaction, repeated until it is committed. @throws BelfryError `record_refused` */
  private async transact(batch: readonly Publication[], withOffsets: boolean): Promise<void> {
    const { partitions, incarnations, clock, log, metrics, goOn } = this.deps;
    const records = batch.flatMap((each) => each.records);
    for (; goOn(); await clock.sleep(RETRY_MS)) {
      const positions = withOffsets ? partitions.advanced() : [];
      if (records.length === 0 && positions.length === 0) return;
      const incarnation = incarnations.current;
      if (incarnation === undefined) continue;
      try {
        const producer = await this.producerOf(incarnation);
        await producer.transact(records, positions);
        partitions.committed(positions);
        this.failing = undefined;
        return;
      } catch (error) {
        if (!(error instanceof BelfryError)) throw error;
        this.failing = error.message;
        metrics.publishFailed();
        log.warn({ code: error.code, reason: error.message, records: records.length }, 'publishing failed');
        if (error.code === 'producer_fenced') incarnations.died(incarnation.lease.executor, 'its producer was fenced');
        else if (!error.retryable) throw error;
      }
    }
  }

  private async producerOf(incarnation: Incarnation): Promise<TransactionalProducer> {
    if (this.producer?.of === incarnation) return this.producer.producer;
    if (this.producer !== undefined) await this.discard(this.producer.producer);
    this.producer = {
      of: incarnation,
      producer: await this.deps.broker.transactional(incarnation.lease.transactionalId),
    };
    return this.producer.producer;
  }

  private async discard(producer: TransactionalProducer): Promise<void> {
    try {
      await producer.close();
    } catch (error) {
      this.deps.log.warn({ reason: messageOf(error) }, 'closing a producer failed');
    }
  }
}
