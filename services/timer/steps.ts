/**
 * The loop of a timer: gather, learn, decide, store, remember, over all its partitions at once.
 *
 * Invariant: one turn at a time. So what is decided in memory is decided from what the store holds, and batches grow
 * with the load by themselves: what arrives during a turn waits for the next one, and an idle timer fires at once.
 */
import type { Command } from '../core/command.ts';
import { EdgesRefused } from '../core/edges-refused.ts';
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import type { NotifyCommand } from '../core/internal-command.ts';
import { INTAKES } from '../core/topics.ts';
import { Pace } from '../core/pace.ts';
import { backoffMs } from './backoff.ts';
import { decide, type DecideOptions } from './decide.ts';
import type { TimerLimits } from './deps.ts';
import { gather, hasLeftovers, inputsOf, learn, sizeOf, type Gathered } from './gather.ts';
import type { Enqueued } from './enqueued.ts';
import type { Notices } from './notices.ts';
import { Others } from './others.ts';
import type { Ownership } from './ownership.ts';
import type { Input } from './inputs.ts';
import type { OwnedPartition } from './owned.ts';
import type { PlannedBatch, PlannedStep } from './plan.ts';
import { rejectEdges } from './reject-edges.ts';
import { StepSize } from './step-size.ts';
import type { TopicCache } from './topic-cache.ts';
import type { Wake } from './wake.ts';

export type StepsOptions = Omit<DecideOptions, 'now' | 'published'> & {
  /** What webhooks are to be sent; without it nobody has any. */
  notices?: Notices | undefined;
  store: TimerStore;
  clock: Clock;
  log: Log;
  limits: TimerLimits;
  ownership: Ownership;
  topicCache: TopicCache;
  wake: Wake;
  enqueued: Enqueued;
  emit(owned: OwnedPartition, batch: PlannedBatch): void;
  /** The queues of a partition have room again. */
  onRoom(owned: OwnedPartition): void;
};

type Pair = { gathered: Gathered; planned: PlannedStep };

/** Offsets and produced rows alone are written down this often. */
const FLUSH_MS = 1_000;
/** The database's clock may correct ours: no wait is longer. */
const MAX_WAIT_MS = 1_000;
/** Does nothing. */
const PASSED: Input = { kind: 'forward', partition: -1 };
const EVERYTHING = Number.MAX_SAFE_INTEGER;

export class Steps {
  private readonly options: StepsOptions;
  private readonly others: Others;
  private readonly size: StepSize;
  private readonly pace: Pace;
  private isFull = false;
  private stopping = false;
  /** Why the last turn failed; undefined while all is well. */
  failure: string | undefined;

  constructor(options: StepsOptions) {
    this.options = options;
    this.others = new Others(options);
    this.size = new StepSize(options.limits.perStep);
    this.pace = new Pace(options.clock, options.limits.stepEveryMs);
  }

  /** Runs until `stop`; the turn under way is finished. */
  async run(): Promise<void> {
    for (let failures = 0; !this.stopping;) {
      try {
        await this.pace.wait(this.isFull);
        const worked = await this.turn();
        this.failure = undefined;
        failures = 0;
        if (!worked) await this.options.wake.wait(this.waitMs());
      } catch (thrown) {
        this.failure = messageOf(thrown);
        this.options.log.warn({ err: thrown }, 'a step failed; trying again');
        await this.options.clock.sleep(backoffMs(++failures));
      }
    }
  }

  stop(): void {
    this.stopping = true;
    this.options.wake.call();
  }

  /**
   * One step over all partitions that have something to do.
   * @param flush also writes down what could wait
   * @returns whether there was anything
   */
  async turn(flush = false): Promise<boolean> {
    const { store, clock, topicCache, records, quotas, notices } = this.options;
    const begun = clock.now();
    const limits = { ...this.options.limits, perStep: this.size.limit };
    const { all, now } = await this.gatherAll(limits, flush);
    this.isFull = false;
    if (all.length === 0) return false;
    this.pace.begin();
    const inputs = all.flatMap(inputsOf);
    const outcomes = all.flatMap(({ news }) => news.publishedRuns.map(({ outcome }) => outcome));
    const [knowledge, published] = await Promise.all([
      learn(all, inputs, { now, store, topicCache, topics: records.topics }),
      notices?.ofPublished(outcomes) ?? new Map<string, readonly NotifyCommand[]>(),
      quotas?.learn(inputs.flatMap(commandOf)),
    ]);
    const decided = all.filter(({ owned }) => owned.live);
    await this.store(
      decided.map((gathered) => ({
        gathered,
        planned: decide(gathered, knowledge, { ...this.options, published, now }),
      })),
    );
    this.isFull = all.some(
      ({ items, due }) => Math.max(due.length, ...INTAKES.map((intake) => items[intake].length)) >= limits.perStep,
    );
    this.size.took(clock.now() - begun, this.isFull);
    return true;
  }

  /** What there is to do, and the moment at which that was so. */
  private async gatherAll(limits: TimerLimits, flush: boolean): Promise<{ all: Gathered[]; now: number }> {
    const { clock, ownership } = this.options;
    const partitions = [...ownership.owned.values()];
    const deciding = partitions.filter((owned) => this.mayDecide(owned));
    const [enqueued] = await Promise.all([
      this.options.enqueued.read(deciding),
      this.refill(partitions.filter((owned) => owned.ready)),
    ]);
    const live = partitions.filter((owned) => owned.live);
    const behind = this.others.take(
      live.filter((owned) => this.mayDecide(owned)),
      limits,
    );
    const now = Math.floor(clock.now());
    // All that is nearly due goes with the first: else each would have a step of its own.
    const aheadMs = this.wakeAt() <= now ? 2 * limits.leadMs : 0;
    const all = live
      .map((owned) => {
        const sent = enqueued.get(owned.partition);
        return gather(owned, this.mayDecide(owned), now, limits, aheadMs, sent, behind.get(owned));
      })
      .filter((gathered) => sizeOf(gathered) > 0 || isDoubtful(gathered) || this.mustFlush(gathered, now, flush));
    return { all, now };
  }

  private mayDecide({ ready, unproduced }: OwnedPartition): boolean {
    return ready && !this.stopping && unproduced < this.options.limits.unproduced;
  }

  private mustFlush(gathered: Gathered, now: number, flush: boolean): boolean {
    return hasLeftovers(gathered) && (flush || now - gathered.owned.flushedAt >= FLUSH_MS);
  }

  private async refill(partitions: readonly OwnedPartition[]): Promise<void> {
    const empty = partitions.filter(({ lookAhead }) => lookAhead.needsRefill());
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

  /** How long nothing has to be done unless somebody calls. */
  private waitMs(): number {
    const now = this.options.clock.now();
    return Math.min(this.wakeAt(), now + MAX_WAIT_MS) - now;
  }

  /** When the first timer is to be decided. */
  private wakeAt(): number {
    const { ownership, limits } = this.options;
    let wakeAt = Infinity;
    for (const owned of ownership.owned.values()) {
      if (this.mayDecide(owned)) wakeAt = Math.min(wakeAt, owned.lookAhead.nextWakeAt(limits.leadMs) ?? Infinity);
    }
    return wakeAt;
  }

  private async store(pairs: readonly Pair[]): Promise<void> {
    if (pairs.length === 0) return;
    const { store, clock, metrics, ownership, log, quotas } = this.options;
    const begun = clock.now();
    // A rebalance while the step is on its way leaves them in doubt again.
    for (const { gathered } of pairs) gathered.owned.isCertain = true;
    let accepted: ReadonlySet<number>;
    try {
      accepted = await store.step(pairs.map(({ planned }) => planned.step));
    } catch (thrown) {
      quotas?.countAnew();
      for (const { gathered } of pairs) gathered.owned.isCertain = false;
      if (thrown instanceof BelfryError && thrown.code === 'bad_data') return this.isolate(pairs, thrown);
      if (
        thrown instanceof EdgesRefused &&
        rejectEdges(
          pairs.map(({ gathered }) => gathered),
          thrown.refused,
        )
      )
        return;
      log.warn({ err: thrown }, 'the outcome of a step is unknown; taking its partitions again');
      for (const { gathered } of pairs) ownership.takeAgain(gathered.owned);
      throw thrown;
    }
    metrics.stepped(clock.now() - begun, pairs.length);
    for (const pair of pairs) {
      if (accepted.has(pair.gathered.owned.partition)) this.remember(pair);
      else {
        quotas?.countAnew();
        metrics.refusedStep();
        ownership.stepRefused(pair.gathered.owned);
      }
    }
  }

  /** The store holds it: memory follows, and the records go out. */
  private remember({ gathered, planned }: Pair): void {
    const { owned, items, news } = gathered;
    if (!owned.live) return;
    const { step, batches, exactRunIds, left } = planned;
    owned.fence = { ...owned.fence, offsets: step.nextOffsets, outboxSeq: step.outboxSeq };
    owned.flushedAt = this.options.clock.now();
    for (const key of step.removeTimers) owned.lookAhead.remove(key);
    this.others.removed(owned, step.removeTimers);
    for (const timer of step.addTimers) owned.lookAhead.add(timer);
    for (const timer of left) owned.lookAhead.hold(timer);
    for (const intake of INTAKES) owned.queues[intake].drop(items[intake].length, step.nextOffsets[intake]);
    forget(owned, news);
    for (const runId of exactRunIds) owned.exactPending.add(runId);
    for (const { id } of gathered.enqueued) owned.refusedEnqueued.delete(id);
    if (owned.singly > 0) owned.singly--;
    for (const batch of batches) this.options.emit(owned, batch);
    this.options.onRoom(owned);
  }

  /** The store refused the data of one input: first the partition that has it is found, then the input. */
  private async isolate(pairs: readonly Pair[], cause: BelfryError): Promise<void> {
    if (pairs.length > 1) {
      for (const pair of pairs) await this.store([pair]);
      return;
    }
    const { gathered } = pairs[0]!;
    const size = sizeOf(gathered);
    if (size > 1) gathered.owned.singly = size;
    else this.reject(gathered, cause);
  }

  /** The input that the store refuses by itself: answered as invalid, or, if it still is refused, passed over. */
  private reject(gathered: Gathered, cause: BelfryError): void {
    const { owned, items, due, news } = gathered;
    this.options.log.error({ err: cause, partition: owned.partition }, 'the database refused the data of an input');
    forget(owned, news);
    for (const timer of due) owned.lookAhead.remove(timer);
    const [input] = inputsOf(gathered);
    if (input === undefined) return;
    const rejection = { code: 'invalid', message: 'the database refused it' } as const;
    for (const { id } of gathered.enqueued) {
      const head = input.kind === 'command' ? input.command : {};
      // One that is refused even so is passed over: an outcome that concerns nobody.
      owned.refusedEnqueued.set(id, input.kind === 'rejected' ? PASSED : { kind: 'rejected', rejection, head });
    }
    for (const intake of INTAKES) {
      const [item] = items[intake];
      if (item === undefined) continue;
      if (input.kind === 'rejected' || input.kind === 'completion') owned.queues[intake].pass(item);
      else item.input = { kind: 'rejected', rejection, head: input.kind === 'command' ? input.command : {} };
    }
  }
}

/** Even a step without effects tells whether the partition is still owned. */
function isDoubtful({ owned }: Gathered): boolean {
  return owned.ready && !owned.isCertain;
}

/** What quotas are asked for. */
function commandOf(input: Input): (Command | NotifyCommand)[] {
  if (input.kind === 'command') return [input.command];
  return input.kind === 'internal' && input.command.type === 'notify' ? [input.command] : [];
}

function forget(owned: OwnedPartition, news: Gathered['news']): void {
  owned.producedSeqs.splice(0, news.producedSeqs.length);
  owned.swept.splice(0, news.swept.length);
  for (const { outcome } of owned.publishedRuns.splice(0, news.publishedRuns.length))
    owned.exactPending.delete(outcome.runId);
  for (const { recorded } of owned.refusedRuns.splice(0, news.refusedRuns.length)) recorded();
}
