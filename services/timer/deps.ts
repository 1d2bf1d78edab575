/** What a timer is made of: ports, names and limits. `main.ts` gives it the real parts, tests the memory ones. */
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { EnqueuedListener, TimerStore } from '../core/ports/timer-store.ts';
import type { PositionMarks } from '../core/ports/position-marks.ts';
import type { Stalls } from '../core/ports/stalls.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import type { Webhooks } from '../core/ports/webhooks.ts';
import type { SpecOptions } from '../core/spec/options.ts';
import type { EventSource } from './event-sources.ts';
import type { FailurePolicy } from './failure-policy.ts';

export type TimerDeps = {
  store: TimerStore;
  broker: Broker;
  codec: Codec;
  clock: Clock;
  log: Log;
  /** `BELFRY_TOPIC_PREFIX`: what topics, groups and transactional ids begin with. */
  prefix: string;
  /** P: partitions of the job space, fixed at the first migration. */
  partitions: number;
  /** Name of this process while it lives: in `owners`, in the consumer group, and as the worker of outcomes. */
  instance: string;
  spec: SpecOptions;
  /** How long finished runs and jobs are kept (ms). */
  historyMs: number;
  /** The client cannot recover: the process must end with an error. */
  onFatal(error: Error): void;
  /** Topics of the user's own whose records are events. */
  eventSources?: readonly EventSource[];
  /** Wakes the timer for enqueued commands; without it they wait for up to a second. */
  listenEnqueued?: EnqueuedListener;
  /** Quotas of tenants; without them nobody has any. */
  tenants?: Tenants;
  /** Webhooks of tenants; without them nobody has any. */
  webhooks?: Webhooks;
  /** Told what fails; the usual one unless given. */
  failurePolicy?: FailurePolicy;
  /** Where owners of partitions were lost; without it nobody knows. */
  stalls?: Stalls;
  /** Told what the event loop is at. */
  marks?: PositionMarks;
  metrics?: TimerMetrics;
  limits?: Partial<TimerLimits>;
};

export type TimerLimits = {
  /**
   * How long before its time what goes to executors is decided, at the least; at the most twice as long, so that under load
   * many go together. Executors start nothing before its time.
   */
  leadMs: number;
  /** From the beginning of one step to that of the next, at the least, unless a step is full. */
  stepEveryMs: number;
  /** Wake-up times kept in memory for each partition. */
  lookAhead: number;
  /** Records of one topic, and due timers, that one step takes from each partition. */
  perStep: number;
  /** Bytes of records, and of due records, that one step takes from each partition. */
  bytesPerStep: number;
  /** Records of one topic and partition held in memory before the partition is paused; it resumes below half. */
  heldRecords: number;
  /** Bytes of them in all partitions together: each topic of each partition has an equal share. */
  heldBytes: number;
  /** Outbox rows of a partition that may wait to be produced before it stops deciding. */
  unproduced: number;
};

export const DEFAULT_LIMITS: TimerLimits = {
  leadMs: 40,
  stepEveryMs: 5,
  lookAhead: 1_000,
  perStep: 500,
  bytesPerStep: 4 * 1024 * 1024,
  heldRecords: 1_000,
  heldBytes: 96 * 1024 * 1024,
  unproduced: 4,
};

export type TimerMetrics = {
  /** A timer struck, so many milliseconds after its time. */
  fired(lateMs: number): void;
  /** A command was decided. */
  applied(outcome: 'applied' | 'unchanged' | 'duplicate' | 'rejected'): void;
  /** One statement on the store, for all partitions together. */
  stepped(durationMs: number, partitions: number): void;
  produced(records: number): void;
  refusedStep(): void;
  /** Filters that could not be evaluated on an event: no match. */
  filtersFailed(count: number): void;
  /** An input that owners of its partition were lost at is not applied. */
  setAside(): void;
};

export const NO_METRICS: TimerMetrics = {
  fired: () => {},
  applied: () => {},
  stepped: () => {},
  produced: () => {},
  refusedStep: () => {},
  filtersFailed: () => {},
  setAside: () => {},
};
