/**
 * What is done by the clock: reconciling active runs with what the store knows, and positions in sources with what was read, asking who
 * shares the deployment, and housekeeping.
 */
import { messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import { HISTORY_JOB, maintainedText, type SystemJob } from '../core/system-jobs.ts';
import { unlessAborted } from '../core/within.ts';
import type { OwnedPartition } from './owned.ts';

export type SweepOptions = {
  store: TimerStore;
  clock: Clock;
  log: Log;
  historyMs: number;
  tenants?: Tenants;
  owned(): Iterable<OwnedPartition>;
  sources?: { reconcile(): Promise<void> } | undefined;
  /** Ends of runs were found. */
  onFound(): void;
};

const SWEEP_EVERY_MS = 30_000;
/** Of a partition at once: where there are more, the next sweep is not waited for. */
const MAX_SWEPT = 1_000;
/** The outcome of a run is normally heard long before. */
const SETTLED_AFTER_MS = 30_000;
const MAINTAIN_EVERY_MS = 3_600_000;
/** After a failure: a lock that was not to be had, mostly. */
const AGAIN_AFTER_MS = 10_000;
const ASK_TENANTS_EVERY_MS = 5_000;

export class Sweep {
  private readonly options: SweepOptions;
  private readonly stopped = new AbortController();
  private maintainedAt = -Infinity;
  private askedAt = -Infinity;
  /** The last sweep left some. */
  private isMore = false;
  /** Whether there are several tenants, as far as known. */
  isShared = false;

  constructor(options: SweepOptions) {
    this.options = options;
  }

  /** Runs until `stop`, which ends it in the middle of whatever it waits for: partitions must not stand idle for it. */
  async run(): Promise<void> {
    const { signal } = this.stopped;
    const { clock } = this.options;
    for (let sweptAt = clock.now(); !signal.aborted; await clock.sleep(1_000, signal)) {
      if (clock.now() - this.maintainedAt >= MAINTAIN_EVERY_MS)
        await this.attempt('housekeeping', () => this.maintain());
      if (clock.now() - this.askedAt >= ASK_TENANTS_EVERY_MS)
        await this.attempt('asking for tenants', () => this.askTenants());
      if (!this.isMore && clock.now() - sweptAt < SWEEP_EVERY_MS) continue;
      sweptAt = clock.now();
      await this.attempt('the sweep', () => this.sweep());
      await this.attempt('reconciling sources', async () => this.options.sources?.reconcile());
    }
  }

  stop(): void {
    this.stopped.abort();
  }

  private async askTenants(): Promise<void> {
    this.askedAt = this.options.clock.now();
    this.isShared = await this.options.store.isShared();
  }

  /** Runs that ended although their job still counts them as active: a lost event must stop no job. */
  private async sweep(): Promise<void> {
    this.isMore = false;
    for (const owned of [...this.options.owned()]) {
      // What was found and is not decided yet (Kafka is away) would be found once more.
      if (!owned.live || !owned.ready || owned.swept.length > 0) continue;
      const before = this.options.clock.now() - SETTLED_AFTER_MS;
      const ended = await this.options.store.endedActive(owned.partition, before, MAX_SWEPT);
      this.isMore ||= ended.length === MAX_SWEPT;
      if (ended.length === 0 || owned.swept.length > 0) continue;
      owned.swept.push(...ended.map(({ job, runId, finishedAt }) => ({ ...job, runId, finishedAt, isNews: true })));
      this.options.onFound();
    }
  }

  /** One owner is enough: that of the first partition. People are told what came of it. */
  private async maintain(): Promise<void> {
    const { store, clock } = this.options;
    if (![...this.options.owned()].some(({ partition }) => partition === 0)) return;
    const lastRunAt = Math.floor(clock.now());
    const report = (status: SystemJob['status'], result: string, changed: string | null): Promise<void> => {
      const nextRunAt = lastRunAt + (status === 'COMPLETED' ? MAINTAIN_EVERY_MS : AGAIN_AFTER_MS);
      return store.reportSystemJob({ name: HISTORY_JOB, lastRunAt, nextRunAt, status, result, changed });
    };
    try {
      const changed = await this.keepHistory(lastRunAt);
      await report('COMPLETED', changed ?? 'nothing to do', changed);
      this.maintainedAt = clock.now();
    } catch (thrown) {
      this.stopped.signal.throwIfAborted();
      this.maintainedAt = clock.now() - MAINTAIN_EVERY_MS + AGAIN_AFTER_MS;
      await report('FAILED', messageOf(thrown), null);
      throw thrown;
    }
  }

  /** @returns what was done; null: there was nothing to do */
  private async keepHistory(now: number): Promise<string | null> {
    const { store, historyMs, tenants } = this.options;
    const { signal } = this.stopped;
    const maintained = await store.maintain(now, historyMs, signal);
    let forgotten = 0;
    for (let some = -1; some !== 0; forgotten += some) some = (await tenants?.forgetHistory(signal)) ?? 0;
    return maintainedText(maintained, forgotten);
  }

  private async attempt(what: string, fn: () => Promise<void>): Promise<void> {
    const { signal } = this.stopped;
    try {
      await unlessAborted(fn(), signal);
    } catch (thrown) {
      if (signal.aborted) return;
      this.options.log.warn({ reason: messageOf(thrown) }, `${what} failed; it comes again`);
    }
  }
}
