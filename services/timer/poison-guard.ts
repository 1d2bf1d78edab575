/**
 * Sets aside what owners of a partition were lost at: an input that hangs the event loop would hang each owner in turn.
 *
 * Invariant: one lost owner blames nobody, since a loop may be stuck for reasons of its own; the second at the same input does. It is
 * rejected unread (`condemned.ts`), and what stands behind it goes on.
 */
import type { Log } from '../core/ports/log.ts';
import { OWNERS_TO_SET_ASIDE, type StalledInput, type Stalls } from '../core/ports/stalls.ts';
import type { Offsets } from '../core/ports/timer-store.ts';
import { INTAKES } from '../core/topics.ts';
import type { TimerMetrics } from './deps.ts';
import type { Condemned } from './failure-policy.ts';

export type PoisonGuardOptions = {
  /** Without it nothing is known of lost owners. */
  stalls?: Stalls | undefined;
  log: Log;
  metrics: TimerMetrics;
};

export class PoisonGuard {
  private readonly options: PoisonGuardOptions;

  constructor(options: PoisonGuardOptions) {
    this.options = options;
  }

  /**
   * @param offsets up to where the partition's topics are applied
   * @returns what is to be set aside, by its name
   * @throws BelfryError of the store
   */
  async of(partition: number, offsets: Offsets): Promise<ReadonlyMap<string, Condemned>> {
    const { stalls, log, metrics } = this.options;
    const found = (await stalls?.ofPartition(partition)) ?? [];
    const poisonous = found.filter((each) => each.owners >= OWNERS_TO_SET_ASIDE && !isApplied(each, offsets));
    for (const { input, job, owners } of poisonous) {
      log.error({ partition, input, job, owners }, 'an input is set aside: owners of the partition were stuck at it');
      metrics.setAside();
    }
    const reason = 'the event loops of two timers in a row were stuck at it';
    return new Map(poisonous.map(({ input }) => [input, { level: 1, reason }]));
  }
}

function isApplied({ input }: StalledInput, offsets: Offsets): boolean {
  const intake = INTAKES.find((each) => input.startsWith(`${each} `));
  return intake !== undefined && BigInt(input.slice(intake.length + 1)) < offsets[intake];
}
