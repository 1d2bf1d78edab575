/**
 * Records of due topics that are none of a run: nothing but a timer should write there. Each is found in the index of rejected
 * records, and its bytes go to job.commands.rejected in the transaction that commits its offset, so none is lost.
 */
import { messageOf } from '../core/errors.ts';
import type { Records } from '../core/events.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Rejections } from '../core/ports/rejections.ts';
import { rejectedRecordOf } from '../core/rejected-record.ts';
import type { ConsumedRecord, Rejection } from '../core/records.ts';
import type { InHand } from './in-hand.ts';
import type { ExecutorMetrics } from './metrics.ts';
import type { Publication } from './publish.ts';
import { Holding, sizeOf, type Source } from './task.ts';
import { untilKnown } from './until-known.ts';

const LARGEST_BATCH = 200;

export type RejectsDeps = {
  clock: Clock;
  log: Log;
  metrics: ExecutorMetrics;
  records: Records;
  /** The index; without it the topic alone has them. */
  rejections?: Rejections;
  inHand: InHand;
  publish: (publication: Publication) => void;
  goOn: () => boolean;
  onFatal: (error: unknown) => void;
};

type Rejected = { record: ConsumedRecord; rejection: Rejection; holding: Holding };

export class Rejects {
  private readonly deps: RejectsDeps;
  private waiting: Rejected[] = [];
  private busy = false;

  constructor(deps: RejectsDeps) {
    this.deps = deps;
  }

  add(record: ConsumedRecord, rejection: Rejection, source: Source): void {
    const { log, metrics, inHand } = this.deps;
    const holding = new Holding(sizeOf(record));
    holding.attach(source);
    inHand.move(holding, 'waiting');
    metrics.unreadable();
    log.error({ ...holding.ids, reason: rejection.message }, 'this is no due record: it is rejected');
    this.waiting.push({ record, rejection, holding });
    if (!this.busy) this.drain().catch(this.deps.onFatal);
  }

  private async drain(): Promise<void> {
    this.busy = true;
    await Promise.resolve(); // those of one batch go together
    while (this.waiting.length > 0 && this.deps.goOn()) {
      const batch = this.waiting.splice(0, LARGEST_BATCH);
      await this.index(batch);
      for (const { record, rejection, holding } of batch)
        this.deps.publish({ task: holding, records: [this.deps.records.rejected(record, rejection)] });
    }
    this.busy = false;
  }

  /** What the index does not take is on the topic all the same. */
  private async index(batch: readonly Rejected[]): Promise<void> {
    const { rejections, clock, log, goOn } = this.deps;
    if (rejections === undefined) return;
    const at = Math.floor(clock.now());
    const entries = batch.map(({ record, rejection }) => rejectedRecordOf(record, rejection, {}, at));
    try {
      await untilKnown(this.deps, 'indexing rejected records', () => rejections.record(entries), goOn);
    } catch (error) {
      log.warn({ reason: messageOf(error), records: batch.length }, 'rejected records could not be indexed');
    }
  }
}
