/**
 * The loop of a timer: gather, load, decide, store, remember, over all its partitions at once.
 *
 * Invariant: one turn of a partition at a time. So what is decided in memory is decided from what the store holds, and batches grow
 * with the load by themselves: what arrives during a turn waits for the next one, and an idle timer fires at once.
 */
import { messageOf } from '../core/errors.ts';
import { INTAKES } from '../core/topics.ts';
import { Pace } from '../core/pace.ts';
import { backoffMs } from './backoff.ts';
import type { TimerLimits } from './deps.ts';
import type { Enqueued } from './enqueued.ts';
import { FailurePolicy, isProof, judge } from './failure-policy.ts';
import type { Gathered } from './gathered.ts';
import { Gatherer } from './gatherer.ts';
import { namesOf } from './named-inputs.ts';
import { Others } from './others.ts';
import type { OwnedPartition } from './owned.ts';
import { StepSize } from './step-size.ts';
import { Trials } from './trials.ts';
import { Turn, type FailedTurn, type TurnOptions } from './turn.ts';
import type { Waited } from './waited.ts';
import type { Wake } from './wake.ts';

export type StepsOptions = Omit<TurnOptions, 'others'> & {
  limits: TimerLimits;
  wake: Wake;
  waited: Waited;
  enqueued: Enqueued;
  failurePolicy?: FailurePolicy | undefined;
};

/** So many turns at the most between two turns of the event loop: whatever they find, and do not find, others are heard. */
const TURNS_AT_ONCE = 16;
/** The database's clock may correct ours: no wait is longer. */
const MAX_WAIT_MS = 1_000;

export class Steps {
  private readonly options: StepsOptions;
  private readonly gatherer: Gatherer;
  private readonly turns: Turn;
  private readonly policy: FailurePolicy;
  private readonly trials: Trials;
  private readonly size: StepSize;
  private readonly pace: Pace;
  private isFull = false;
  /** Why the last turn failed; undefined while all is well. */
  failure: string | undefined;

  constructor(options: StepsOptions) {
    const { clock, limits, ownership, wake } = options;
    this.options = options;
    const others = new Others(options);
    this.gatherer = new Gatherer({ ...options, others });
    this.turns = new Turn({ ...options, others });
    this.policy = options.failurePolicy ?? new FailurePolicy(options.log);
    this.size = new StepSize(limits.perStep);
    this.pace = new Pace(clock, limits.stepEveryMs);
    this.trials = new Trials({
      ...{ clock, ownership, gatherer: this.gatherer, turn: this.turns, policy: this.policy },
      onFailed: (failed) => this.failed(failed),
      onOver: () => wake.call(),
    });
  }

  /** Runs until `stop`; the turns under way are finished. */
  async run(): Promise<void> {
    const { clock, log, wake } = this.options;
    for (let failures = 0, turns = 1; !this.gatherer.stopping; turns++) {
      try {
        if (turns % TURNS_AT_ONCE === 0) await clock.sleep(0);
        await this.pace.wait(this.isFull);
        const worked = await this.turn();
        this.failure = undefined;
        failures = 0;
        if (!worked) await wake.wait(this.waitMs());
      } catch (thrown) {
        this.failure = messageOf(thrown);
        log.warn({ err: thrown }, 'a step failed; trying again');
        await clock.sleep(backoffMs(++failures));
      }
    }
    await this.trials.stop();
  }

  stop(): void {
    this.gatherer.stopping = true;
    this.options.wake.call();
  }

  /**
   * One step over all partitions that have something to do.
   * @param flush also writes down what could wait
   * @returns whether there was anything
   */
  async turn(flush = false): Promise<boolean> {
    const { clock } = this.options;
    const begun = clock.now();
    const perStep = this.size.limit;
    const { all, now } = await this.gatherer.all(this.partitions(), perStep, flush);
    this.isFull = false;
    if (all.length === 0) return false;
    this.pace.begin();
    const failed = await this.turns.run(all, now);
    this.isFull = all.some((gathered) => isFull(gathered, perStep));
    this.size.took(clock.now() - begun, this.isFull);
    if (failed.length > 0) await this.settle(failed);
    return true;
  }

  /** All that have their turns together. */
  private partitions(): OwnedPartition[] {
    return [...this.options.ownership.owned.values()].filter(({ partition }) => !this.policy.isOnTrial(partition));
  }

  /** How long nothing has to be done unless somebody calls. */
  private waitMs(): number {
    const now = this.options.clock.now();
    return Math.min(this.gatherer.wakeAt(this.partitions()), now + MAX_WAIT_MS) - now;
  }

  /**
   * Failed turns of several partitions: each of these is tried by itself.
   * @throws the cause, where the store does not even tell the time: nobody's input is to blame
   */
  private async settle(failed: readonly FailedTurn[]): Promise<void> {
    for (const each of failed) this.failed(each);
    const unproven = failed.find((each) => !isProof(each));
    if (unproven !== undefined && !(await this.isStoreThere())) throw unproven.cause;
    for (const each of failed) {
      const { partition } = each.gathered.owned;
      const names = namesOf(each.gathered);
      if (names.length === 0) continue;
      this.policy.failed(partition, each, names, each.isShared);
      this.trials.begin(partition);
    }
    if (unproven !== undefined && failed.every(({ gathered }) => namesOf(gathered).length === 0)) throw unproven.cause;
  }

  private failed({ phase, cause, gathered }: FailedTurn): void {
    const { log, ownership } = this.options;
    const { partition } = gathered.owned;
    log.warn({ err: cause, partition, phase, inputs: namesOf(gathered).length }, 'a turn failed');
    if (judge({ phase, cause }, 0, 0).partition === 'reacquire') ownership.takeAgain(gathered.owned);
  }

  private async isStoreThere(): Promise<boolean> {
    try {
      await this.options.store.databaseNow();
      return true;
    } catch {
      return false;
    }
  }
}

function isFull({ due, items }: Gathered, perStep: number): boolean {
  return Math.max(due.length, ...INTAKES.map((intake) => items[intake].length)) >= perStep;
}
