/**
 * Makes outcomes and consumed offsets known, in one Kafka transaction at a time: whatever comes meanwhile goes with the
 * next, so at low load everything goes at once and under load in few large ones.
 *
 * Invariants: an offset is committed only with, or after, the records of all that stands below it; a batch whose
 * transaction failed is published again before anything else (its events have the same ids); offsets of partitions that
 * are not held any more are not committed, and what only they held is left to their new owner, who finds the settled row.
 */
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Broker, TransactionalProducer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { OutgoingRecord } from '../core/records.ts';
import type { Incarnation, Incarnations } from './incarnation.ts';
import type { Offsets } from './intake.ts';
import type { ExecutorMetrics } from './metrics.ts';
import type { Task } from './task.ts';

const MOST_RECORDS = 2_000;
const RETRY_MS = 200;

export type Publication = { task: Task; records: readonly OutgoingRecord[] };

export type PublisherDeps = {
  broker: Broker;
  clock: Clock;
  log: Log;
  metrics: ExecutorMetrics;
  incarnations: Incarnations;
  offsets: Offsets;
  /** Published, or left to a partition's new owner. */
  onPublished: (tasks: readonly Task[]) => void;
  onFatal: (error: unknown) => void;
  goOn: () => boolean;
};

export class Publisher {
  private readonly deps: PublisherDeps;
  private waiting: Publication[] = [];
  private underWay: Publication[] = [];
  private busy = false;
  private failing: string | undefined;
  private producer: { of: Incarnation; producer: TransactionalProducer } | undefined;

  constructor(deps: PublisherDeps) {
    this.deps = deps;
  }

  get pending(): number {
    return this.waiting.length + this.underWay.length;
  }

  /** Whether anything, offsets included, is still to be committed. */
  get idle(): boolean {
    return !this.busy && this.pending === 0 && this.deps.offsets.advanced().length === 0;
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
    while (this.deps.goOn() && (this.waiting.length > 0 || this.deps.offsets.advanced().length > 0)) {
      this.underWay = this.nextBatch();
      await this.publish(this.underWay);
      const done = this.underWay;
      this.underWay = [];
      for (const { task } of done) task.release();
      this.deps.onPublished(done.map((each) => each.task));
    }
    this.busy = false;
  }

  private nextBatch(): Publication[] {
    let count = 0;
    let records = 0;
    while (count < this.waiting.length && records < MOST_RECORDS) records += this.waiting[count++]?.records.length ?? 0;
    return this.waiting.splice(0, count);
  }

  /** Resolves when all of it is committed, or when the executor gives up at its end. */
  private async publish(batch: readonly Publication[]): Promise<void> {
    const { offsets, clock, log, metrics, goOn } = this.deps;
    while (goOn()) {
      const wanted = batch.filter((each) => each.task.mine);
      // Only the offsets go up here; if the transaction fails, this very batch goes again before any other.
      for (const { task } of wanted) for (const { partition, offset } of task.sources) partition.watermark.done(offset);
      const positions = offsets.advanced();
      const records = wanted.flatMap((each) => each.records);
      if (records.length === 0 && positions.length === 0) return;
      const incarnation = this.deps.incarnations.current;
      try {
        if (incarnation === undefined) throw new BelfryError('store_unavailable', 'there is no lease at present', { retryable: true });
        const producer = await this.producerOf(incarnation);
        await producer.transact(records, positions);
        offsets.committed(positions);
        this.failing = undefined;
        return;
      } catch (error) {
        this.failing = messageOf(error);
        metrics.publishFailed();
        if (!(error instanceof BelfryError)) throw error;
        log.warn({ code: error.code, reason: error.message, records: records.length }, 'publishing failed, trying again');
        if (error.code === 'producer_fenced' && incarnation !== undefined) this.deps.incarnations.died(incarnation.lease.executor, 'its producer was fenced');
        if (error.code === 'record_refused') return this.separate(batch, error);
      }
      await clock.sleep(RETRY_MS);
    }
  }

  /** One record will never be taken: it must not stop the others. Its run is settled, only its news is lost. */
  private async separate(batch: readonly Publication[], error: BelfryError): Promise<void> {
    const [only] = batch;
    if (batch.length > 1) {
      for (const each of batch) await this.publish([each]);
    } else if (only !== undefined && only.records.length > 0) {
      this.deps.log.error({ runId: only.task.due.runId, reason: error.message, ...error.ids }, 'the broker refuses the event of a run; the run itself is in the history');
      await this.publish([{ task: only.task, records: [] }]);
    } else {
      throw error;
    }
  }

  private async producerOf(incarnation: Incarnation): Promise<TransactionalProducer> {
    if (this.producer?.of === incarnation) return this.producer.producer;
    if (this.producer !== undefined) await this.discard(this.producer.producer);
    this.producer = { of: incarnation, producer: await this.deps.broker.transactional(incarnation.lease.transactionalId) };
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
