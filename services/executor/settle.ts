/**
 * Writes verdicts, in batches, one write under way at a time: whatever waits meanwhile goes with the next, and under a steady
 * load writes have their pace.
 *
 * Invariants: a settlement is repeated until its outcome is known; it takes effect under its token and a living lease or
 * not at all; only what took effect is published. One that did not is no end: the run's row is looked at again, as if its
 * record had just been read, so that whatever became of the run is what is published.
 */
import { bisect } from '../core/bisect.ts';
import { isBadData, messageOf } from '../core/errors.ts';
import { Pace } from '../core/pace.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Lease, RunStore, Settled, Settlement } from '../core/ports/run-store.ts';
import type { Paces } from './paces.ts';
import type { Task } from './task.ts';
import { untilKnown } from './until-known.ts';

const LARGEST_BATCH = 500;

export type Settling = { task: Task; lease: Lease; settlement: Settlement };

export type SettlerDeps = {
  store: RunStore;
  clock: Clock;
  log: Log;
  paces: Paces;
  /** It took effect: publish it. */
  onSettled: (settling: Settling, settled: Settled) => void;
  /** It did not: look at the row again. */
  onStale: (task: Task) => void;
  onFatal: (error: unknown) => void;
  /** False ends the repeating of writes. */
  goOn: () => boolean;
};

export class Settler {
  private readonly deps: SettlerDeps;
  private readonly pace: Pace;
  private waiting: Settling[] = [];
  private busy = false;
  private underWay = 0;

  constructor(deps: SettlerDeps) {
    this.deps = deps;
    this.pace = new Pace(deps.clock, deps.paces.settleMs);
  }

  /** Settlements not yet written. */
  get pending(): number {
    return this.waiting.length + this.underWay;
  }

  add(settling: Settling): void {
    this.waiting.push(settling);
    if (!this.busy) this.drain().catch(this.deps.onFatal);
  }

  private async drain(): Promise<void> {
    this.busy = true;
    while (this.waiting.length > 0) {
      await this.pace.wait(this.waiting.length >= LARGEST_BATCH);
      this.pace.begin();
      const batch = this.nextBatch();
      this.underWay = batch.length;
      await this.write(batch);
      this.underWay = 0;
    }
    this.busy = false;
  }

  /** Of one lease: after a lost one, settlements of two may wait. */
  private nextBatch(): Settling[] {
    const executor = this.waiting[0]?.lease.executor;
    const other = this.waiting.findIndex((each) => each.lease.executor !== executor);
    return this.waiting.splice(0, Math.min(LARGEST_BATCH, other === -1 ? LARGEST_BATCH : other));
  }

  private write(batch: readonly Settling[]): Promise<void> {
    return bisect(batch, {
      work: (some) => this.settle(some),
      isRefusal: isBadData,
      onRefused: (settling, error) => this.refused(settling, error),
    });
  }

  /** @throws BelfryError `bad_data` */
  private async settle(batch: readonly Settling[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    const { store, goOn } = this.deps;
    const settlements = batch.map((each) => each.settlement);
    const write = (): Promise<Settled[]> => store.settle(first.lease, settlements);
    const answers = await untilKnown(this.deps, 'settling', write, goOn);
    if (answers === undefined) return;
    const byRun = new Map(answers.map((settled) => [settled.runId, settled]));
    for (const settling of batch) {
      const settled = byRun.get(settling.settlement.runId);
      if (settled === undefined) this.deps.onStale(settling.task);
      else this.deps.onSettled(settling, settled);
    }
  }

  /** The store refuses the data of one of them: it fails for that, the others are written. */
  private async refused(settling: Settling, error: unknown): Promise<void> {
    if (settling.settlement.error?.code === 'result_invalid') throw error;
    const { runId } = settling.settlement;
    this.deps.log.error({ runId, reason: messageOf(error) }, 'the database refuses the result of a run');
    const settlement: Settlement = {
      ...settling.settlement,
      status: 'FAILED',
      attempt: settling.task.due.attempt,
      retryInMs: null,
      result: null,
      error: { code: 'result_invalid', message: 'the database refuses the result' },
      due: settling.task.due,
    };
    await this.write([{ ...settling, settlement }]);
  }
}
