/**
 * A turn of some partitions: what their decisions need is loaded, each is decided, and one statement stores what was decided.
 * What fails is answered, by partition; what to do about it is the failure policy's.
 */
import type { Command } from '../core/command.ts';
import { EdgesRefused } from '../core/edges-refused.ts';
import type { NotifyCommand } from '../core/internal-command.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { TimerStore } from '../core/ports/timer-store.ts';
import { INTAKES } from '../core/topics.ts';
import { decide, type DecideOptions } from './decide.ts';
import type { Failure } from './failure-policy.ts';
import { learn, type Knowledge } from './gather.ts';
import { inputsOf, type Gathered } from './gathered.ts';
import { inputNames } from './input-names.ts';
import type { Input } from './inputs.ts';
import type { Notices } from './notices.ts';
import type { Others } from './others.ts';
import type { OwnedPartition } from './owned.ts';
import type { Ownership } from './ownership.ts';
import type { PlannedBatch, PlannedStep } from './plan.ts';
import { rejectEdges } from './reject-edges.ts';
import type { TopicCache } from './topic-cache.ts';

export type TurnOptions = Omit<DecideOptions, 'now' | 'published'> & {
  /** What webhooks are to be sent; without it nobody has any. */
  notices?: Notices | undefined;
  store: TimerStore;
  clock: Clock;
  log: Log;
  ownership: Ownership;
  topicCache: TopicCache;
  others: Others;
  emit(owned: OwnedPartition, batch: PlannedBatch): void;
  /** The queues of a partition have room again. */
  onRoom(owned: OwnedPartition): void;
};

/** `isShared`: other partitions were tried together with this one. */
export type FailedTurn = Failure & { gathered: Gathered; isShared: boolean };
type Pair = { gathered: Gathered; planned: PlannedStep };
type Loaded = { knowledge: Knowledge; published: ReadonlyMap<string, readonly NotifyCommand[]> };

export class Turn {
  private readonly options: TurnOptions;

  constructor(options: TurnOptions) {
    this.options = options;
  }

  /**
   * @param all what to apply, of each partition
   * @param now when that was gathered
   * @returns what failed: nothing of it was applied, unless its outcome is unclear
   */
  async run(all: readonly Gathered[], now: number): Promise<FailedTurn[]> {
    let loaded: Loaded;
    try {
      loaded = await this.load(all, now);
    } catch (cause) {
      return failedOf(all, { phase: 'load', cause });
    }
    const pairs: Pair[] = [];
    const failed: FailedTurn[] = [];
    for (const gathered of all) {
      if (!gathered.owned.live) continue;
      try {
        pairs.push({ gathered, planned: decide(gathered, loaded.knowledge, { ...this.options, ...loaded, now }) });
      } catch (cause) {
        this.countAnew();
        failed.push({ phase: 'decide', cause, gathered, isShared: false });
      }
    }
    return [...failed, ...(await this.store(pairs))];
  }

  private async load(all: readonly Gathered[], now: number): Promise<Loaded> {
    const { store, topicCache, records, notices, quotas, listeners } = this.options;
    const inputs = all.flatMap(inputsOf);
    const commands = inputs.flatMap(commandOf);
    const outcomes = all.flatMap(({ news }) => news.publishedRuns.map(({ outcome }) => outcome));
    const [knowledge, published] = await Promise.all([
      learn(all, inputs, { now, store, topicCache, topics: records.topics }),
      notices?.ofPublished(outcomes) ?? new Map<string, readonly NotifyCommand[]>(),
      quotas?.learn(commands),
      listeners.learn(inputs.flatMap((input) => (input.kind === 'command' ? input.command : []))),
    ]);
    return { knowledge, published };
  }

  private async store(pairs: readonly Pair[]): Promise<FailedTurn[]> {
    if (pairs.length === 0) return [];
    const { store, clock, metrics, ownership } = this.options;
    const all = pairs.map(({ gathered }) => gathered);
    const begun = clock.now();
    // A rebalance while the step is on its way leaves them in doubt again.
    for (const { owned } of all) owned.isCertain = true;
    let accepted: ReadonlySet<number>;
    try {
      accepted = await store.step(pairs.map(({ planned }) => planned.step));
    } catch (cause) {
      this.countAnew();
      for (const { owned } of all) owned.isCertain = false;
      // Decided once more without the commands to blame.
      if (cause instanceof EdgesRefused && rejectEdges(all, cause.refused, clock.now())) return [];
      return failedOf(all, { phase: 'store', cause });
    }
    metrics.stepped(clock.now() - begun, pairs.length);
    for (const pair of pairs) {
      if (accepted.has(pair.gathered.owned.partition)) this.remember(pair);
      else {
        this.countAnew();
        metrics.refusedStep();
        ownership.stepRefused(pair.gathered.owned);
      }
    }
    return [];
  }

  private countAnew(): void {
    this.options.quotas?.countAnew();
    this.options.listeners.countAnew();
  }

  /** The store holds it: memory follows, and the records go out. */
  private remember({ gathered, planned }: Pair): void {
    const { owned, items, news } = gathered;
    if (!owned.live) return;
    const { step, batches, exactRunIds, left } = planned;
    owned.fence = { ...owned.fence, offsets: step.nextOffsets, outboxSeq: step.outboxSeq };
    owned.flushedAt = this.options.clock.now();
    for (const key of step.removeTimers) owned.lookAhead.remove(key);
    this.options.others.removed(owned, step.removeTimers);
    for (const timer of step.addTimers) owned.lookAhead.add(timer);
    for (const timer of left) owned.lookAhead.hold(timer);
    for (const intake of INTAKES) owned.queues[intake].drop(items[intake].length, step.nextOffsets[intake]);
    forget(owned, news);
    for (const runId of exactRunIds) owned.exactPending.add(runId);
    owned.waiting.remove(step.waited);
    owned.waiting.add(step.waits);
    for (const { id } of gathered.enqueued) owned.refused.delete(inputNames.enqueued(id));
    for (const seq of step.waited) owned.refused.delete(inputNames.waiting(seq));
    for (const batch of batches) this.options.emit(owned, batch);
    this.options.onRoom(owned);
  }
}

function failedOf(all: readonly Gathered[], failure: Failure): FailedTurn[] {
  return all.map((gathered) => ({ ...failure, gathered, isShared: all.length > 1 }));
}

/** What quotas are asked for. */
function commandOf(input: Input): (Command | NotifyCommand)[] {
  if (input.kind === 'command') return [input.command];
  return input.kind === 'internal' && input.command.type === 'notify' ? [input.command] : [];
}

/** What was written down goes, whatever came up beside it meanwhile. */
function forget(owned: OwnedPartition, news: Gathered['news']): void {
  owned.producedSeqs = without(owned.producedSeqs, news.producedSeqs);
  owned.swept = without(owned.swept, news.swept);
  owned.publishedRuns = without(owned.publishedRuns, news.publishedRuns);
  owned.refusedRuns = without(owned.refusedRuns, news.refusedRuns);
  for (const { outcome } of news.publishedRuns) owned.exactPending.delete(outcome.runId);
  for (const { recorded } of news.refusedRuns) recorded();
}

function without<T>(all: T[], done: readonly T[]): T[] {
  if (done.length === 0) return all;
  const gone = new Set(done);
  return all.filter((each) => !gone.has(each));
}
