/** The run store in PostgreSQL; each part stands in a file of its own. */
import type { Clock } from '../../core/ports/clock.ts';
import type {
  Admission,
  Admitted,
  Claim,
  ClaimRequest,
  EnqueuedCommandInput,
  Lease,
  LeaseState,
  ParkedRun,
  Reclaim,
  RunRow,
  RunStore,
  RunTransaction,
  Settled,
  Settlement,
} from '../../core/ports/run-store.ts';
import { ENQUEUE, rethrowRefusal } from './enqueue.ts';
import type { Pg } from './pool.ts';
import * as claiming from './run-claim.ts';
import * as limiting from './run-limits.ts';
import * as leasing from './run-leases.ts';
import * as parking from './run-parked.ts';
import * as settling from './run-settle.ts';
import { transaction } from './run-transaction.ts';

const NOW = { name: 'now_ms', text: 'SELECT now_ms() AS now' };

export class PostgresRunStore implements RunStore {
  private readonly pg: Pg;
  private readonly clock: Clock;

  /** @param clock bounds the handlers' transactions; what is stored goes by the database's own */
  constructor(pg: Pg, clock: Clock) {
    this.pg = pg;
    this.clock = clock;
  }

  async databaseNow(): Promise<number> {
    const rows = await this.pg.query<{ now: number }>(NOW);
    return (rows[0] as { now: number }).now;
  }

  claim(lease: Lease, requests: readonly ClaimRequest[]): Promise<Claim[]> {
    return claiming.claim(this.pg, lease, requests);
  }

  reclaim(lease: Lease, requests: readonly Reclaim[]): Promise<RunRow[]> {
    return claiming.reclaim(this.pg, lease, requests);
  }

  settle(lease: Lease, settlements: readonly Settlement[]): Promise<Settled[]> {
    return settling.settle(this.pg, lease, settlements);
  }

  transaction<T>(lease: Lease, timeoutMs: number, work: (transaction: RunTransaction) => Promise<T>): Promise<T> {
    return transaction(this.pg, this.clock, lease, timeoutMs, work);
  }

  cancelled(runs: Parameters<RunStore['cancelled']>[0]): Promise<boolean[]> {
    return settling.cancelled(this.pg, runs);
  }

  async enqueue(command: EnqueuedCommandInput): Promise<void> {
    await this.pg.query(ENQUEUE, [JSON.stringify(command)]).catch(rethrowRefusal);
  }

  progress(lease: Lease, entries: Parameters<RunStore['progress']>[1]): Promise<void> {
    return settling.progress(this.pg, lease, entries);
  }

  admit(lease: Lease, admissions: readonly Admission[]): Promise<Admitted[]> {
    return limiting.admit(this.pg, lease, admissions);
  }

  leave(tickets: readonly string[]): Promise<number> {
    return limiting.leave(this.pg, tickets);
  }

  wakeWaiting(): Promise<number> {
    return limiting.wakeWaiting(this.pg);
  }

  park(entries: readonly ParkedRun[]): Promise<void> {
    return parking.park(this.pg, entries);
  }

  unpark(runs: readonly { runId: string; attempt: number }[]): Promise<void> {
    return parking.unpark(this.pg, runs);
  }

  takeParked(
    lease: Lease,
    limit: number,
    held?: readonly string[],
    exceptTenants?: readonly string[],
  ): Promise<ParkedRun[]> {
    return parking.takeParked(this.pg, lease, { limit, held, exceptTenants });
  }

  releaseParkedOfDead(): Promise<number> {
    return parking.releaseParkedOfDead(this.pg);
  }

  takeOrphans(lease: Lease, olderThanMs: number, limit: number): Promise<ParkedRun[]> {
    return parking.takeOrphans(this.pg, lease, olderThanMs, limit);
  }

  takeCancelled(lease: Lease, limit: number): Promise<ParkedRun[]> {
    return parking.takeCancelled(this.pg, lease, limit);
  }

  openLease(lease: Lease, lengthMs: number): Promise<void> {
    return leasing.openLease(this.pg, lease, lengthMs);
  }

  renewLease(executor: string, lengthMs: number, free: number): Promise<boolean> {
    return leasing.renewLease(this.pg, executor, lengthMs, free);
  }

  markDead(executors: readonly string[]): Promise<{ executor: string; transactionalId: string }[]> {
    return leasing.markDead(this.pg, executors);
  }

  closeLease(executor: string): Promise<void> {
    return leasing.closeLease(this.pg, executor);
  }

  leases(): Promise<LeaseState[]> {
    return leasing.leases(this.pg);
  }
}
