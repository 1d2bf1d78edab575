/**
 * The memory adapters' tables: what PostgreSQL holds, as maps. The timer store and the run store of one simulated
 * cluster share one instance, as the real ones share one database.
 *
 * Invariant: every port method reads and writes it without awaiting in between, so each is atomic, as a statement is.
 */
import type { Job } from '../../core/model.ts';
import type { DueRecord } from '../../core/records.ts';
import type { Lease, ParkedRun, RunRow } from '../../core/ports/run-store.ts';
import type { Offsets, OutboxBatch, TimerRow } from '../../core/ports/timer-store.ts';

export type OwnerEntry = { epoch: number; instance: string; offsets: Offsets; outboxSeq: number };
export type LeaseEntry = {
  lease: Lease;
  expiresAt: number;
  takenAt: number;
  renewedAt: number;
  dead: boolean;
  free: number;
};
/** A row of `runs`; `leaseAlive` and `parked` are computed when it is read. */
export type RunEntry = Omit<RunRow, 'leaseAlive' | 'parked'> & {
  tenant: string;
  jobId: string;
  scheduledFor: number;
  idempotencyKey: string;
  replayOf: string | null;
  due: DueRecord | null;
  progress: { fraction: number; note: string | null } | null;
};

export class MemoryDatabase {
  readonly jobs = new Map<string, Job>();
  readonly timers = new Map<number, TimerRow[]>();
  readonly owners = new Map<number, OwnerEntry>();
  readonly outbox = new Map<number, OutboxBatch[]>();
  readonly seenCommands = new Map<string, number>();
  /** Replays that were decided, by the run they repeat. */
  readonly replays = new Map<string, Set<string>>();
  readonly runs = new Map<string, RunEntry>();
  readonly leases = new Map<string, LeaseEntry>();
  readonly parked = new Map<string, ParkedRun>();
  readonly partitions: number;
  /** The database's own clock, ms. */
  readonly now: () => number;

  constructor(options: { partitions: number; now: () => number }) {
    this.partitions = options.partitions;
    this.now = options.now;
  }
}
