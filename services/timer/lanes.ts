/** Hands outbox rows to their lanes, and takes what becomes of them into the next step. */
import type { Records } from '../core/events.ts';
import { decodeOutbox } from '../core/outbox-codec.ts';
import type { OutboxBatch } from '../core/ports/timer-store.ts';
import type { DueRecord, OutgoingRecord } from '../core/records.ts';
import { jobKey } from '../core/topics.ts';
import type { TimerDeps } from './deps.ts';
import { unpublishable } from './effects.ts';
import type { Emitter } from './emitter.ts';
import { ExactLane, type RowRun } from './exact-lane.ts';
import { decodeExact } from './exact-message.ts';
import type { OwnedPartition } from './owned.ts';
import type { PlannedBatch } from './plan.ts';
import { markOf, putOff, withoutDenial, type PutOff } from './put-off.ts';

export type LanesOptions = Pick<TimerDeps, 'store' | 'broker' | 'clock' | 'log' | 'instance' | 'prefix'> & {
  records: Records;
  emitter: Emitter;
  onProgress(): void;
  onRecovered(owned: OwnedPartition): void;
  onFenced: (owned: OwnedPartition) => void;
};

export class Lanes {
  private readonly options: LanesOptions;

  constructor(options: LanesOptions) {
    this.options = options;
  }

  /** Rows of an accepted step. */
  emit(owned: OwnedPartition, { seq, lane, records, runs }: PlannedBatch): void {
    owned.unproduced++;
    if (lane === 'plain') this.plain(owned, seq, records);
    else this.exact(owned).enqueue(seq, runs);
  }

  /** Rows that a former owner left: produced in their order, none filtered out. */
  recover(owned: OwnedPartition, outbox: readonly OutboxBatch[]): void {
    for (const { seq, lane, body } of outbox) {
      if (lane === 'plain') {
        this.plain(owned, seq, decodeOutbox(body));
        continue;
      }
      const runs = decodeExact(body);
      for (const { due } of runs) owned.exactPending.add(due.runId);
      this.exact(owned).enqueue(seq, runs);
    }
  }

  private plain(owned: OwnedPartition, seq: number, records: readonly OutgoingRecord[]): void {
    this.options.emitter.enqueue({
      records,
      isLive: () => owned.live,
      onProduced: () => this.produced(owned, seq),
      onRefused: (record, message) => this.refused(owned, record, message),
    });
  }

  private exact(owned: OwnedPartition): ExactLane {
    const { partition } = owned;
    const { instance: worker, onFenced } = this.options;
    owned.exactLane ??= new ExactLane({
      ...this.options,
      partition,
      worker,
      passedOver: (runs) => this.passedOver(runs),
      onProduced: (seq, runs) => {
        owned.publishedRuns.push(...runs);
        this.produced(owned, seq);
      },
      onRefused: (due, message) =>
        new Promise((recorded) => {
          this.options.log.warn({ runId: due.runId, message }, 'a message cannot be published');
          this.fail(owned, due, message, recorded);
        }),
      onDenied: ({ due, seq }, message) =>
        new Promise((recorded) => {
          const again = putOff(due, partition, seq, this.now());
          this.options.log.warn({ runId: due.runId, message, retryAt: again?.timer.fireAt }, 'a message is denied');
          this.fail(owned, withoutDenial(due), message, recorded, again);
        }),
      onFenced: () => onFenced(owned),
    });
    return owned.exactLane;
  }

  private produced(owned: OwnedPartition, seq: number): void {
    owned.unproduced--;
    owned.producedSeqs.push(seq);
    if (!owned.ready && owned.unproduced === 0) this.options.onRecovered(owned);
    this.options.onProgress();
  }

  /** The broker will never take the record: a run that it was to start has failed; anything else is news that is lost. */
  private refused(owned: OwnedPartition, record: OutgoingRecord, message: string): void {
    const { topic, partition, key } = record;
    this.options.log.error({ topic, partition, key: key?.toString(), message }, 'the broker refused a record');
    const { topics } = this.options.records;
    const isPublic = Object.values(topics).includes(topic);
    if (!isPublic) this.fail(owned, JSON.parse(record.value!.toString()) as DueRecord, message, () => {});
  }

  /** @param again it has not failed yet, but is tried later */
  private fail(owned: OwnedPartition, due: DueRecord, message: string, recorded: () => void, again?: PutOff): void {
    const run = unpublishable(due, message, { now: this.now(), worker: this.options.instance });
    const onRecorded = (): void => {
      if (again === undefined) owned.exactPending.delete(due.runId);
      recorded();
    };
    owned.refusedRuns.push({ run, again, recorded: onRecorded });
    this.options.onProgress();
  }

  /** Runs of rows that a former owner left which it did not publish: what it recorded as failed, or moved aside. */
  private async passedOver(runs: readonly RowRun[]): Promise<readonly RowRun[]> {
    const { store } = this.options;
    const marks = runs.map(({ due, seq }) => markOf(due, seq));
    const [stored, { seen }] = await Promise.all([store.runs(runs.map(({ due }) => due.runId)), store.read([], marks)]);
    return runs.filter(({ due }, index) => {
      const { tenant, jobId, commandId } = marks[index]!;
      return stored.get(due.runId)?.status === 'FAILED' || seen.has(`${jobKey(tenant, jobId)}/${commandId}`);
    });
  }

  private now(): number {
    return Math.floor(this.options.clock.now());
  }
}
