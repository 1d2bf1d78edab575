/**
 * Turns of partitions whose last one failed: each goes on by itself, beside the others, until the input to blame is found.
 *
 * Invariant: a partition is in turns of one kind at a time, its own or those of all (`FailurePolicy.isOnTrial`); and there is one
 * loop for each partition on trial.
 */
import type { Clock } from '../core/ports/clock.ts';
import { backoffMs } from './backoff.ts';
import { withCondemned } from './condemned.ts';
import type { FailurePolicy } from './failure-policy.ts';
import type { Gathered } from './gathered.ts';
import { emptyStep, type Gatherer } from './gatherer.ts';
import { isAwaited, namesOf, restrictedTo } from './named-inputs.ts';
import type { OwnedPartition } from './owned.ts';
import type { Ownership } from './ownership.ts';
import type { FailedTurn, Turn } from './turn.ts';

export type TrialsOptions = {
  clock: Clock;
  ownership: Ownership;
  gatherer: Gatherer;
  turn: Turn;
  policy: FailurePolicy;
  /** A turn of a partition on trial failed. */
  onFailed(failed: FailedTurn): void;
  /** The partition has its turns with the others again. */
  onOver(): void;
};

/** Until the partition is taken again, its records are read again, or its outbox has room. */
const LOOK_AGAIN_MS = 50;

export class Trials {
  private readonly options: TrialsOptions;
  private readonly running = new Map<number, Promise<void>>();
  /** Partitions whose other inputs failed, too: the next step to show that the store works has none. */
  private readonly sour = new Set<number>();
  private readonly stopped = new AbortController();

  constructor(options: TrialsOptions) {
    this.options = options;
  }

  begin(partition: number): void {
    if (this.running.has(partition) || this.stopped.signal.aborted) return;
    const over = (): void => {
      this.running.delete(partition);
      this.options.onOver();
    };
    this.running.set(partition, this.run(partition).then(over));
  }

  /** Resolves when the turns under way are over; what is on trial is left to the next owner. */
  async stop(): Promise<void> {
    this.stopped.abort();
    await Promise.all(this.running.values());
  }

  private async run(partition: number): Promise<void> {
    const { clock, ownership, policy } = this.options;
    const { signal } = this.stopped;
    for (let failures = 0; !signal.aborted && policy.isOnTrial(partition);) {
      const owned = ownership.owned.get(partition);
      if (owned === undefined && !ownership.isKnown(partition)) return policy.drop(partition);
      const went = owned?.ready === true ? await this.next(owned) : 'waits';
      failures = went === 'failed' ? failures + 1 : 0;
      // Also after one that went well: whatever comes of it, the event loop turns.
      await clock.sleep(went === 'failed' ? backoffMs(failures) : went === 'waits' ? LOOK_AGAIN_MS : 0, signal);
    }
  }

  private async next(owned: OwnedPartition): Promise<'went' | 'failed' | 'waits'> {
    const { partition } = owned;
    const { policy, gatherer, clock } = this.options;
    if (policy.isInDoubt(partition)) return this.control(owned);
    if (!gatherer.mayDecide(owned)) return 'waits';
    let batch: Gathered | undefined;
    try {
      batch = await this.batchOf(owned);
    } catch (cause) {
      this.options.onFailed({ phase: 'load', cause, gathered: emptyStep(owned), isShared: true });
      return 'failed';
    }
    if (batch === undefined) return 'waits';
    const names = namesOf(batch);
    const [failed] = await this.options.turn.run([batch], Math.floor(clock.now()));
    if (failed !== undefined) {
      policy.failed(partition, failed, names, false);
      this.options.onFailed(failed);
      return 'failed';
    }
    // Certain: the step was accepted. Refused, or with edges that cannot be, it is tried again as things then are.
    if (owned.live && owned.isCertain) policy.applied(partition, names);
    return 'went';
  }

  /** A step without the suspects: whether the store works. */
  private async control(owned: OwnedPartition): Promise<'went' | 'failed'> {
    const failed = await this.tryOthers(owned);
    if (failed !== undefined) {
      this.options.onFailed(failed);
      return 'failed';
    }
    this.sour.delete(owned.partition);
    if (owned.live) this.options.policy.controlled(owned.partition);
    return 'went';
  }

  /** So timers, and records of other topics, do not wait for a suspect. Their own faults show when its trial is over. */
  private async tryOthers(owned: OwnedPartition): Promise<FailedTurn | undefined> {
    const { policy, gatherer, clock } = this.options;
    const { partition } = owned;
    let batch = emptyStep(owned);
    if (gatherer.mayDecide(owned) && !this.sour.has(partition)) {
      try {
        const present = await gatherer.one(owned);
        const others = namesOf(present).filter((name) => !policy.isSuspect(partition, name));
        batch = restrictedTo(present, others);
      } catch (cause) {
        return { phase: 'load', cause, gathered: batch, isShared: true };
      }
    }
    const [failed] = await this.options.turn.run([batch], Math.floor(clock.now()));
    if (failed !== undefined && namesOf(batch).length > 0) this.sour.add(partition);
    return failed;
  }

  /** What to try next; undefined: nothing for now, or the trial is over. */
  private async batchOf(owned: OwnedPartition): Promise<Gathered | undefined> {
    const { policy, gatherer } = this.options;
    const { partition } = owned;
    const present = withCondemned(await gatherer.one(owned), policy.condemnedOf(partition));
    const names = namesOf(present);
    const there = new Set(names);
    policy.keepSuspects(partition, (name) => there.has(name) || isAwaited(owned, name));
    const chosen = policy.choose(partition, names);
    if (chosen.length === 0) return undefined;
    const batch = restrictedTo(present, chosen);
    // They stand behind something else: nothing is known of this order of things.
    if (namesOf(batch).length === 0) policy.drop(partition);
    return policy.isOnTrial(partition) ? batch : undefined;
  }
}
