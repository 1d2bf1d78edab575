/**
 * The timer service: joins its stages.
 *
 *   consumer ──▶ ownership ──▶ intake ──▶ steps (gather · decide · store) ──▶ lanes ──▶ emitter · exact lane
 *                                            ▲ look-ahead · sweep
 */
import { Records, TIMER_SOURCE } from '../core/events.ts';
import type { GroupConsumer } from '../core/ports/broker.ts';
import { NO_MARKS } from '../core/ports/position-marks.ts';
import { topicsOf, type Intake as Topic } from '../core/topics.ts';
import { DEFAULT_LIMITS, NO_METRICS, type TimerDeps } from './deps.ts';
import type { EnqueuedListener } from '../core/ports/timer-store.ts';
import { Enqueued } from './enqueued.ts';
import { foreignPartitions } from './foreign-partitions.ts';
import { Emitter } from './emitter.ts';
import { EventSources } from './event-sources.ts';
import { Intake } from './intake.ts';
import { Lanes } from './lanes.ts';
import { Ownership } from './ownership.ts';
import { TenantQuotas } from './quotas.ts';
import { PoisonGuard } from './poison-guard.ts';
import type { Relay } from './relay.ts';
import { Steps } from './steps.ts';
import { Sweep } from './sweep.ts';
import { Listeners } from './listeners.ts';
import { TopicCache } from './topic-cache.ts';
import { Waited } from './waited.ts';
import { Wake } from './wake.ts';
import { Notices } from './notices.ts';

export type { TimerDeps, TimerLimits, TimerMetrics } from './deps.ts';

/** What is in memory at the moment. */
export type TimerState = { partitionsOwned: number; lookAhead: number; outboxDepth: number; held: number };

const SESSION_TIMEOUT_MS = 6_000;
/** Some hundred commands of each partition at once: larger pieces took more memory, and were slower. */
const FETCH_BYTES = 64 * 1024;
const DRAIN_MS = 2_000;

export class Timer {
  private readonly ownership: Ownership;
  private readonly emitter: Emitter;
  private readonly steps: Steps;
  private readonly sweep: Sweep;
  private readonly consumer: GroupConsumer;
  private readonly foreign: Relay;
  private readonly sources: EventSources | undefined;
  private readonly wake: Wake;
  private readonly enqueued: Enqueued;
  private readonly listen: EnqueuedListener | undefined;
  private listening: { close(): Promise<void> } | undefined;
  private running: Promise<unknown> = Promise.resolve();

  constructor(deps: TimerDeps) {
    const { broker, clock, log, partitions, prefix, instance, spec, codec } = deps;
    const limits = { ...DEFAULT_LIMITS, ...deps.limits };
    const metrics = deps.metrics ?? NO_METRICS;
    const marks = deps.marks ?? NO_MARKS;
    const topics = topicsOf(prefix);
    const topicCache = new TopicCache(deps);
    const duePartitions = (topic: string): number => topicCache.partitions(topic) ?? partitions;
    const records = new Records({ topics, partitions, codec, source: TIMER_SOURCE, duePartitions });
    const wake = new Wake(clock);
    const onChange = (): void => wake.call();
    this.wake = wake;
    this.listen = deps.listenEnqueued;
    this.emitter = new Emitter({
      ...{ broker, clock, log },
      produced: (count) => metrics.produced(count),
      mustExist: (topic) => Object.values(topics).includes(topic),
    });
    const notices = deps.webhooks && new Notices({ webhooks: deps.webhooks, codec, clock, log });
    const intake = new Intake({
      codec,
      spec,
      partitions,
      topics,
      limits,
      clock,
      log,
      notices,
      marks,
      onReady: onChange,
      partitionsOwned: () => this.ownership.owned.size,
      onGap: (owned, topic) => void this.ownership.checkRange(owned, topic),
    });
    const lanes = new Lanes({
      ...deps,
      records,
      emitter: this.emitter,
      onProgress: onChange,
      onRecovered: (owned) => this.ownership.becomeReady(owned),
      onFenced: (owned) => this.ownership.stepRefused(owned),
    });
    const { eventSources: sources = [] } = deps;
    if (sources.length > 0) this.sources = new EventSources({ ...deps, records, sources });
    this.foreign = foreignPartitions({
      ...{ broker, clock, log, groupId: groupOf(prefix) },
      ...{ records, topics, partitions, prefix },
    });
    this.ownership = new Ownership({
      ...deps,
      topics,
      limits,
      intake,
      guard: new PoisonGuard({ stalls: deps.stalls, log, metrics }),
      recover: (owned, outbox) => lanes.recover(owned, outbox),
      onChange,
      onForeignBatch: (batch) => void this.foreign.accept(batch),
    });
    this.enqueued = new Enqueued({ store: deps.store, codec, spec, partitions, clock, limits, marks });
    this.steps = new Steps({
      ...deps,
      worker: instance,
      records,
      metrics,
      limits,
      ownership: this.ownership,
      topicCache,
      notices,
      quotas: deps.tenants && new TenantQuotas(deps.tenants, clock),
      listeners: new Listeners(deps),
      wake,
      waited: new Waited({ store: deps.store, codec, spec, partitions, clock }),
      enqueued: this.enqueued,
      emit: (owned, batch) => lanes.emit(owned, batch),
      onRoom: (owned) => intake.holdBack(owned),
      isShared: () => this.sweep.isShared,
    });
    this.sweep = new Sweep({
      ...deps,
      owned: () => this.ownership.owned.values(),
      sources: this.sources,
      onFound: onChange,
    });
    this.consumer = broker.group(
      {
        groupId: groupOf(prefix),
        topics: [topics.commands, topics.retry, topics.completed],
        memberName: instance,
        copartitioned: true,
        isolation: 'read_uncommitted',
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        fetchBytes: FETCH_BYTES,
      },
      this.ownership,
    );
    this.ownership.attach(this.consumer);
    intake.attach(this.consumer);
    this.foreign.attach(this.consumer);
  }

  /** Joins the group and works until `stop`; servers that are away are waited for. */
  async start(): Promise<void> {
    this.listening = this.listen?.((partition) => {
      this.enqueued.notice(partition);
      this.wake.call();
    });
    this.running = Promise.all([this.steps.run(), this.sweep.run()]);
    await this.consumer.start();
    await this.sources?.start();
  }

  /**
   * Ends cleanly: the step under way is finished, what it made known is produced (2 s at most; the next owner produces
   * the rest), and the partitions are handed over at once.
   */
  async stop(): Promise<void> {
    this.steps.stop();
    this.sweep.stop();
    // None of these holds the partitions up.
    const others = Promise.all([this.listening?.close(), this.sources?.stop(), this.foreign.close()]);
    others.catch(() => undefined); // heard below
    await this.running;
    await this.emitter.drain(DRAIN_MS);
    // Best effort: produced rows that stay are produced again by the next owner, and dropped downstream.
    await this.steps.turn(true).catch(() => false);
    await this.consumer.stop();
    this.ownership.release();
    await this.emitter.close();
    await others;
  }

  /** Whether this timer does its work, and why not. */
  ready(): { ok: boolean; reasons: string[] } {
    const reasons = this.ownership.problems();
    for (const { partition, exactLane } of this.ownership.owned.values()) {
      if (exactLane?.failure !== undefined) {
        reasons.push(`cannot publish messages of partition ${partition}: ${exactLane.failure}`);
      }
    }
    if (this.steps.failure !== undefined) reasons.push(`cannot store: ${this.steps.failure}`);
    if (this.emitter.failure !== undefined) reasons.push(`cannot produce: ${this.emitter.failure}`);
    return { ok: reasons.length === 0, reasons };
  }

  /** By owned partition, the next offset of a topic to apply: what the store holds. */
  positions(intake: Topic): Map<number, bigint> {
    return new Map([...this.ownership.owned].map(([partition, { fence }]) => [partition, fence.offsets[intake]]));
  }

  stats(): TimerState {
    const owned = [...this.ownership.owned.values()];
    const sum = (of: (partition: (typeof owned)[number]) => number): number =>
      owned.reduce((total, p) => total + of(p), 0);
    return {
      partitionsOwned: owned.length,
      lookAhead: sum(({ lookAhead }) => lookAhead.size),
      outboxDepth: sum(({ unproduced }) => unproduced),
      held: sum(({ queues }) => queues.commands.length + queues.retry.length + queues.completed.length),
    };
  }
}

function groupOf(prefix: string): string {
  return `${prefix}belfry-timer`;
}
