/** What there is to do in the partitions that this timer owns, and when there will be something. */
import type { Clock } from '../core/ports/clock.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import type { TimerLimits } from './deps.ts';
import type { Enqueued } from './enqueued.ts';
import { gather } from './gather.ts';
import { hasLeftovers, sizeOf, type Gathered } from './gathered.ts';
import type { Others } from './others.ts';
import type { OwnedPartition } from './owned.ts';
import type { Waited } from './waited.ts';

export type GathererOptions = {
  store: TimerStore;
  clock: Clock;
  limits: TimerLimits;
  others: Others;
  waited: Waited;
  enqueued: Enqueued;
};

/** Offsets and produced rows alone are written down this often. */
const FLUSH_MS = 1_000;
const EVERYTHING = Number.MAX_SAFE_INTEGER;
const NOTHING = { completed: [], retry: [], commands: [] };

export class Gatherer {
  private readonly options: GathererOptions;
  /** Only what was done is written down from now on. */
  stopping = false;

  constructor(options: GathererOptions) {
    this.options = options;
  }

  /**
   * @param perStep inputs of a kind from each partition, at the most
   * @param flush also what could wait
   * @returns the partitions that have something, and the moment at which that was so
   */
  async all(
    partitions: readonly OwnedPartition[],
    perStep: number,
    flush: boolean,
  ): Promise<{ all: Gathered[]; now: number }> {
    const limits = { ...this.options.limits, perStep };
    const deciding = partitions.filter((owned) => this.mayDecide(owned));
    const [waited, enqueued] = await Promise.all([
      this.options.waited.read(deciding),
      this.options.enqueued.read(deciding),
      this.refill(partitions),
    ]);
    const live = partitions.filter((owned) => owned.live);
    const behind = this.options.others.take(
      live.filter((owned) => this.mayDecide(owned)),
      limits,
    );
    const now = Math.floor(this.options.clock.now());
    // All that is nearly due goes with the first: else each would have a step of its own.
    const aheadMs = this.wakeAt(live) <= now ? 2 * limits.leadMs : 0;
    const all = live
      .map((owned) => {
        const sent = { waited: waited.get(owned.partition), enqueued: enqueued.get(owned.partition) };
        return gather(owned, this.mayDecide(owned), now, limits, aheadMs, sent, behind.get(owned));
      })
      .filter((gathered) => sizeOf(gathered) > 0 || isDoubtful(gathered) || this.mustFlush(gathered, now, flush));
    return { all, now };
  }

  /** All that waits in one partition, however much. */
  async one(owned: OwnedPartition): Promise<Gathered> {
    const [waited, enqueued] = await Promise.all([
      this.options.waited.read([owned]),
      this.options.enqueued.readOf(owned),
      this.refill([owned]),
    ]);
    const limits = { ...this.options.limits, perStep: Infinity, bytesPerStep: Infinity };
    const now = Math.floor(this.options.clock.now());
    const sent = { waited: waited.get(owned.partition), enqueued };
    return gather(owned, this.mayDecide(owned), now, limits, 2 * limits.leadMs, sent);
  }

  mayDecide({ ready, unproduced }: OwnedPartition): boolean {
    return ready && !this.stopping && unproduced < this.options.limits.unproduced;
  }

  /** When the first timer of these partitions is to be decided, or a command that waits is to be looked at. */
  wakeAt(partitions: readonly OwnedPartition[]): number {
    let wakeAt = Infinity;
    for (const owned of partitions) {
      if (!this.mayDecide(owned)) continue;
      const timerAt = owned.lookAhead.nextWakeAt(this.options.limits.leadMs) ?? Infinity;
      wakeAt = Math.min(wakeAt, timerAt, owned.waiting.nextLookAt());
    }
    return wakeAt;
  }

  private mustFlush(gathered: Gathered, now: number, flush: boolean): boolean {
    return hasLeftovers(gathered) && (flush || now - gathered.owned.flushedAt >= FLUSH_MS);
  }

  private async refill(partitions: readonly OwnedPartition[]): Promise<void> {
    const empty = partitions.filter(({ ready, lookAhead }) => ready && lookAhead.needsRefill());
    if (empty.length === 0) return;
    const limit = this.options.limits.lookAhead;
    const rows = await this.options.store.timers(
      empty.map(({ partition }) => partition),
      EVERYTHING,
      limit,
    );
    const byPartition = Map.groupBy(rows, ({ partition }) => partition);
    for (const { partition, lookAhead } of empty) lookAhead.refill(byPartition.get(partition) ?? [], limit);
  }
}

/** Even a step without effects tells whether the partition is still owned, and whether the store works. */
export function emptyStep(owned: OwnedPartition): Gathered {
  const news = { publishedRuns: [], refusedRuns: [], swept: [], producedSeqs: [] };
  return { owned, items: NOTHING, waited: [], enqueued: [], due: [], news };
}

function isDoubtful({ owned }: Gathered): boolean {
  return owned.ready && !owned.isCertain;
}
