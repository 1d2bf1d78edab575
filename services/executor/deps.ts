/** What an executor is made of, and what it tells of itself. */
import type { Records } from '../core/events.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { LeaseKeeper } from '../core/ports/lease-keeper.ts';
import type { Log } from '../core/ports/log.ts';
import type { PositionMarks } from '../core/ports/position-marks.ts';
import type { Rejections } from '../core/ports/rejections.ts';
import type { RunStore } from '../core/ports/run-store.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import type { HandlerRegistry } from './handlers/handler.ts';
import type { ExecutorMetrics } from './metrics.ts';
import type { Paces } from './paces.ts';

export type ExecutorDeps = {
  broker: Broker;
  store: RunStore;
  records: Records;
  keeper: LeaseKeeper;
  clock: Clock;
  ids: Ids;
  log: Log;
  handlers: HandlerRegistry;
  /** Limits of tenants; without them nobody has any. */
  tenants?: Tenants;
  /** The index of rejected records; without it their topic alone has them. */
  rejections?: Rejections;
  /** Which due topics it reads. */
  queue: string;
  /** What people see: `host:pid`. */
  worker: string;
  /** Before every group and transactional id: BELFRY_TOPIC_PREFIX. */
  prefix: string;
  /** Runs at once. */
  slots: number;
  /** The longest timeout of an attempt, whatever its job says; default: any. */
  maxTimeoutMs?: number;
  /** Default: DEFAULT_PACES. */
  paces?: Paces;
  metrics?: ExecutorMetrics;
  /** Told what the event loop is at. */
  marks?: PositionMarks;
  /** The executor cannot go on: the process must end with an error. */
  onFatal: (error: Error) => void;
};

export type ExecutorStats = {
  executor: string | null;
  /** Until the lease runs out; 0 without one. */
  leaseRemainingMs: number;
  running: number;
  /** Handlers that go on although their run ended without them. */
  abandoned: number;
  free: number;
  waiting: number;
  /** Bytes of their records. */
  waitingBytes: number;
  starting: number;
  settling: number;
  publishing: number;
  partitions: number;
};
