/** What is done by the clock: reconciling active runs with what the store knows, and housekeeping. */
import { messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import type { OwnedPartition } from './owned.ts';

export type SweepOptions = {
  store: TimerStore;
  clock: Clock;
  log: Log;
  historyMs: number;
  tenants?: Tenants;
  owned(): Iterable<OwnedPartition>;
  /** Ends of runs were found. */
  onFound(): void;
};

const SWEEP_EVERY_MS = 30_000;
/** The outcome of a run is normally heard long before. */
const SETTLED_AFTER_MS = 30_000;
const MAINTAIN_EVERY_MS = 3_600_000;

export class Sweep {
  private readonly options: SweepOptions;
  private readonly stopped = new AbortController();
  private maintainedAt = -Infinity;

  constructor(options: SweepOptions) {
    this.options = options;
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    const { signal } = this.stopped;
    const { clock } = this.options;
    for (let sweptAt = clock.now(); !signal.aborted; await clock.sleep(1_000, signal)) {
      if (clock.now() - this.maintainedAt >= MAINTAIN_EVERY_MS)
        await this.attempt('housekeeping', () => this.maintain());
      if (clock.now() - sweptAt < SWEEP_EVERY_MS) continue;
      sweptAt = clock.now();
      await this.attempt('the sweep', () => this.sweep());
    }
  }

  stop(): void {
    this.stopped.abort();
  }

  /** Runs that ended although their job still counts them as active: a lost event must stop no job. */
  private async sweep(): Promise<void> {
    for (const owned of [...this.options.owned()]) {
      if (!owned.live || !owned.ready) continue;
      const before = this.options.clock.now() - SETTLED_AFTER_MS;
      const ended = await this.options.store.endedActive(owned.partition, before);
      if (ended.length === 0) continue;
      owned.swept.push(...ended.map(({ job, runId, finishedAt }) => ({ ...job, runId, finishedAt })));
      this.options.onFound();
    }
  }

  /** One owner is enough: that of the first partition. */
  private async maintain(): Promise<void> {
    const { store, clock, historyMs, tenants } = this.options;
    if (![...this.options.owned()].some(({ partition }) => partition === 0)) return;
    await store.maintain(Math.floor(clock.now()), historyMs);
    while (((await tenants?.forgetHistory()) ?? 0) > 0);
    this.maintainedAt = clock.now();
  }

  private async attempt(what: string, fn: () => Promise<void>): Promise<void> {
    try {
      await fn();
    } catch (thrown) {
      this.options.log.warn({ reason: messageOf(thrown) }, `${what} failed; it comes again`);
    }
  }
}
