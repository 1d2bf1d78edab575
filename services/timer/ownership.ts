/**
 * Which partitions this timer owns.
 *
 * Invariants: `owned` holds a partition only after the store raised its epoch for this process; group membership alone
 * gives nothing, and a rebalance that leaves the partition here changes nothing. A partition is `ready` (it decides, and
 * reads its topics) only when all that the former owner left unproduced is produced.
 *
 * The race it prevents: a process that was frozen thaws and believes that it still has its partitions. Its next step is
 * refused, so it lets go; it takes again only after a heartbeat was accepted since, which a zombie's cannot be. Without
 * that, two processes would take a partition from each other for ever.
 */
import { messageOf } from '../core/errors.ts';
import type { FetchedBatch, GroupConsumer, GroupListener, Position, TopicPartition } from '../core/ports/broker.ts';
import type { OutboxBatch, Ownership as StoredOwnership, Taken } from '../core/ports/timer-store.ts';
import { INTAKES, type Intake as Topic, type Topics } from '../core/topics.ts';
import { backoffMs } from './backoff.ts';
import { rejectedAs } from './condemned.ts';
import type { TimerDeps, TimerLimits } from './deps.ts';
import type { Condemned } from './failure-policy.ts';
import type { Intake } from './intake.ts';
import { LogRanges } from './log-ranges.ts';
import { OwnedPartition } from './owned.ts';
import type { PoisonGuard } from './poison-guard.ts';

export type OwnershipOptions = Pick<
  TimerDeps,
  'store' | 'broker' | 'clock' | 'log' | 'instance' | 'partitions' | 'onFatal'
> & {
  topics: Topics;
  limits: TimerLimits;
  intake: Intake;
  guard: PoisonGuard;
  /** Produces what a former owner left; each row done lowers `owned.unproduced`. */
  recover(owned: OwnedPartition, outbox: readonly OutboxBatch[]): void;
  /** Something changed that the loop should look at. */
  onChange(): void;
  /** A partition that does not belong to the job space. */
  onForeignBatch(batch: FetchedBatch): void;
};

/** An attempt at a take; `failure` is why its last try failed. */
type Take = { failure: string | undefined };

export class Ownership implements GroupListener {
  readonly owned = new Map<number, OwnedPartition>();
  /** Partitions that stand still until somebody acts, with what to do. */
  readonly stopped = new Map<number, string>();
  hasJoined = false;
  private readonly options: OwnershipOptions;
  private readonly ranges: LogRanges;
  private assigned = new Set<number>();
  /** Takes under way; an attempt that is no longer the current one gives up. */
  private readonly taking = new Map<number, Take>();
  private readonly refused = new Set<number>();
  private consumer: GroupConsumer | undefined;

  constructor(options: OwnershipOptions) {
    this.options = options;
    this.ranges = new LogRanges(options.broker, options.clock);
  }

  attach(consumer: GroupConsumer): void {
    this.consumer = consumer;
  }

  /** Why partitions that are assigned here do not decide yet; none when all do. */
  problems(): string[] {
    const problems = [...this.stopped].map(([partition, problem]) => `partition ${partition} stands still: ${problem}`);
    if (!this.hasJoined) problems.push('has not joined its group yet');
    if (this.taking.size > 0) problems.push(`taking ${this.taking.size} partitions`);
    for (const [partition, { failure }] of this.taking) {
      if (failure !== undefined) problems.push(`partition ${partition} cannot be taken: ${failure}`);
    }
    if (this.refused.size > 0) {
      problems.push(`waiting for a heartbeat to take ${this.refused.size} partitions that another timer took`);
    }
    for (const { partition, ready, unproduced } of this.owned.values()) {
      if (!ready) problems.push(`partition ${partition} is recovering: ${unproduced} outbox rows are left to produce`);
    }
    return problems;
  }

  onAssignment(assignment: readonly TopicPartition[]): void {
    this.hasJoined ||= assignment.length > 0;
    this.assigned = new Set(assignment.map(({ partition }) => partition).filter((p) => p < this.options.partitions));
    for (const partition of [...this.owned.keys(), ...this.taking.keys(), ...this.refused, ...this.stopped.keys()]) {
      if (!this.assigned.has(partition)) this.forget(partition);
    }
    for (const owned of this.owned.values()) {
      owned.isCertain = false;
      for (const topic of INTAKES) owned.queues[topic].paused = false;
    }
    for (const partition of this.assigned) if (!this.isKnown(partition)) void this.take(partition);
    this.options.onChange();
  }

  position({ topic, partition }: TopicPartition): Position {
    if (partition >= this.options.partitions) return 'committed';
    const owned = this.owned.get(partition);
    const intake = this.topicOf(topic);
    return owned?.ready === true && intake !== undefined ? owned.queues[intake].expected : 'hold';
  }

  onBatch(batch: FetchedBatch): void {
    if (batch.partition >= this.options.partitions) return this.options.onForeignBatch(batch);
    const owned = this.owned.get(batch.partition);
    // What arrives before the partition is ready is read again from the stored offset.
    if (owned?.ready === true) this.options.intake.accept(owned, batch);
  }

  /** The group still counts this process in: it may take again what was refused to it. */
  onHeartbeat(): void {
    for (const partition of this.refused) {
      this.refused.delete(partition);
      void this.take(partition);
    }
  }

  onFatal(error: Error): void {
    this.options.onFatal(error);
  }

  /** The store refused a step: somebody else owns the partition, or did. */
  stepRefused(owned: OwnedPartition): void {
    if (!this.letGo(owned)) return;
    const { partition } = owned;
    this.options.log.warn({ partition }, 'a step was refused: another timer took the partition');
    if (this.assigned.has(partition)) this.refused.add(partition);
  }

  /** It is not known whether a step was applied: only a new epoch and what the store says are certain. */
  takeAgain(owned: OwnedPartition): void {
    if (this.letGo(owned) && this.assigned.has(owned.partition)) void this.take(owned.partition);
  }

  /** All that the former owner left is produced: read the topics and decide. */
  becomeReady(owned: OwnedPartition): void {
    if (!owned.live || owned.ready) return;
    owned.ready = true;
    for (const intake of INTAKES) {
      const tp = { topic: this.options.topics[intake], partition: owned.partition };
      this.consumer?.seek(tp, owned.queues[intake].expected);
      this.consumer?.resume([tp]);
    }
    this.options.log.info({ partition: owned.partition, epoch: owned.fence.epoch }, 'partition taken');
    this.options.onChange();
  }

  /** Records are missing where the partition reads: the log may have lost what was not applied. */
  async checkRange(owned: OwnedPartition, topic: Topic): Promise<void> {
    const { partition } = owned;
    try {
      const problem = await this.ranges.problemOf(this.options.topics[topic], partition, owned.queues[topic].expected);
      if (problem !== undefined && owned.live) this.stop(owned, problem);
    } catch (thrown) {
      // If records are really missing, the next batch shows the gap again.
      this.options.log.warn({ partition, reason: messageOf(thrown) }, 'cannot ask what a topic still holds');
    }
  }

  /** Forgets everything, at the end. */
  release(): void {
    this.onAssignment([]);
  }

  private async take(partition: number): Promise<void> {
    const attempt: Take = { failure: undefined };
    this.taking.set(partition, attempt);
    const isCurrent = (): boolean => this.taking.get(partition) === attempt;
    for (let failures = 1; isCurrent(); failures++) {
      try {
        const taken = await this.options.store.take(partition, this.options.instance);
        const { offsets, problem } = await this.startOffsets(taken.ownership);
        const setAside = await this.options.guard.of(partition, taken.ownership.offsets);
        if (!isCurrent()) return;
        if (problem === undefined) this.begin({ ...taken, setAside }, offsets);
        else this.markStopped(partition, problem);
        this.taking.delete(partition);
        return;
      } catch (thrown) {
        const reason = messageOf(thrown);
        if (isCurrent()) attempt.failure = reason;
        this.options.log.warn({ partition, reason }, 'taking a partition failed; trying again');
        await this.options.clock.sleep(backoffMs(failures));
      }
    }
  }

  private begin(
    taken: Taken & { setAside: ReadonlyMap<string, Condemned> },
    startAt: StoredOwnership['offsets'],
  ): void {
    const { outbox } = taken;
    const owned = new OwnedPartition(taken, startAt, this.options.limits.lookAhead);
    owned.unproduced = outbox.length;
    for (const [name, verdict] of taken.setAside) owned.refused.set(name, rejectedAs(verdict));
    this.owned.set(owned.partition, owned);
    try {
      if (outbox.length === 0) this.becomeReady(owned);
      else this.options.recover(owned, outbox);
    } catch (thrown) {
      this.letGo(owned); // what was begun of it finds the partition gone
      throw thrown;
    }
  }

  /**
   * Where to read from. Commands and retries that were deleted before they were applied are lost, and somebody must
   * know; outcomes are only news of what the store holds, which the sweep finds there.
   */
  private async startOffsets({
    partition,
    offsets,
  }: StoredOwnership): Promise<{ offsets: StoredOwnership['offsets']; problem?: string }> {
    for (const intake of ['commands', 'retry'] as const) {
      const problem = await this.ranges.problemOf(this.options.topics[intake], partition, offsets[intake]);
      if (problem !== undefined) return { offsets, problem };
    }
    const completed = await this.ranges.nearest(this.options.topics.completed, partition, offsets.completed);
    return { offsets: { ...offsets, completed } };
  }

  /** Whether the partition is here, on its way here, or halted here. */
  isKnown(partition: number): boolean {
    const { owned, taking, refused, stopped } = this;
    return owned.has(partition) || taking.has(partition) || refused.has(partition) || stopped.has(partition);
  }

  private letGo(owned: OwnedPartition): boolean {
    if (!owned.live) return false;
    owned.live = false;
    this.owned.delete(owned.partition);
    void owned.exactLane?.close().catch((thrown: unknown) => {
      this.options.log.warn({ partition: owned.partition, reason: messageOf(thrown) }, 'closing a producer failed');
    });
    return true;
  }

  private forget(partition: number): void {
    const owned = this.owned.get(partition);
    if (owned !== undefined) this.letGo(owned);
    this.taking.delete(partition);
    this.refused.delete(partition);
    this.stopped.delete(partition);
  }

  private stop(owned: OwnedPartition, problem: string): void {
    this.letGo(owned);
    this.markStopped(owned.partition, problem);
  }

  private markStopped(partition: number, problem: string): void {
    this.stopped.set(partition, problem);
    this.options.log.error({ partition, problem }, 'partition stopped');
  }

  private topicOf(topic: string): Topic | undefined {
    return INTAKES.find((intake) => this.options.topics[intake] === topic);
  }
}
