import type { RunStatus } from '../core/model.ts';

/** What an executor counts. Every call is synchronous and cheap. */
export interface ExecutorMetrics {
  /** An attempt came to an end that took effect. */
  runFinished(status: RunStatus, handler: string, durationMs: number): void;
  /** An attempt started this long after it was due. */
  lateness(lateMs: number): void;
  slots(used: number, total: number): void;
  /** Records waiting for a slot. */
  waiting(count: number): void;
  handedOver(count: number): void;
  detached(count: number): void;
  takenOver(count: number): void;
  /** Due records that could not be read. */
  unreadable(): void;
  /** A Kafka transaction that failed and is repeated. */
  publishFailed(): void;
  leaseLost(): void;
}

const nothing = (): void => undefined;

export const NO_METRICS: ExecutorMetrics = Object.freeze({
  runFinished: nothing,
  lateness: nothing,
  slots: nothing,
  waiting: nothing,
  handedOver: nothing,
  detached: nothing,
  takenOver: nothing,
  unreadable: nothing,
  publishFailed: nothing,
  leaseLost: nothing,
});
