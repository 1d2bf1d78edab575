/**
 * The run store in memory: the same rules as schemas/sql/003-run-statements.sql, for tests and the simulation.
 *
 * Invariant: no method awaits between reading and writing, so each is atomic, as a statement is. Only `transaction` awaits,
 * the handler's work, and then commits in one go.
 */
import { BelfryError } from '../../core/errors.ts';
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
import type { DueRecord } from '../../core/records.ts';
import { storedJson, storedText } from '../../core/stored-text.ts';
import { within } from '../../core/within.ts';
import type { MemoryDatabase, RunEntry } from './database.ts';
import { MemoryLeases } from './run-leases.ts';
import { MemoryLimits } from './run-limits.ts';
import { MemoryParked } from './run-parked.ts';

export class MemoryRunStore implements RunStore {
  private readonly db: MemoryDatabase;
  private readonly clock: Clock;
  private readonly leasing: MemoryLeases;
  private readonly parking: MemoryParked;
  private readonly limiting: MemoryLimits;

  /** @param clock bounds the handlers' transactions; what is stored goes by the database's own */
  constructor(db: MemoryDatabase, clock: Clock) {
    this.db = db;
    this.clock = clock;
    this.leasing = new MemoryLeases(db);
    this.parking = new MemoryParked(db, this.leasing);
    this.limiting = new MemoryLimits(db, this.leasing);
  }

  async databaseNow(): Promise<number> {
    return this.db.now();
  }

  async claim(lease: Lease, requests: readonly ClaimRequest[]): Promise<Claim[]> {
    if (requests.length === 0) return [];
    if (this.leasing.isDead(lease.executor)) {
      throw new BelfryError('lease_lost', `The lease ${lease.executor} is dead: it claims nothing.`);
    }
    return requests.map(({ due, nonce }) => {
      const present = this.db.runs.get(due.runId);
      if (present !== undefined) return { runId: due.runId, inserted: false, row: this.rowOf(present) };
      const { executor, worker } = lease;
      const entry = { ...newEntry(due, worker), executor, nonce, startedAt: Math.max(this.db.now(), due.dueAt) };
      this.db.runs.set(due.runId, entry);
      return { runId: due.runId, inserted: true, row: { ...this.rowOf(entry), parked: false } };
    });
  }

  async reclaim(lease: Lease, requests: readonly Reclaim[]): Promise<RunRow[]> {
    const taken: RunRow[] = [];
    for (const { due, nonce, expectedToken, lostAttempt } of requests) {
      const entry = this.db.runs.get(due.runId);
      if (entry === undefined) continue;
      if (entry.token === expectedToken && this.canReclaim(lease, entry, lostAttempt)) {
        Object.assign(entry, {
          status: 'RUNNING',
          token: entry.token + 1,
          attempt: due.attempt,
          lost: entry.lost + (lostAttempt ? 1 : 0),
          executor: lease.executor,
          nonce,
          worker: lease.worker,
          startedAt: Math.max(this.db.now(), due.dueAt),
          retryAt: null,
          result: null,
          resultTruncated: false,
          error: null,
          progress: null,
        } satisfies Partial<RunEntry>);
      }
      const mine = entry.status === 'RUNNING' && entry.executor === lease.executor && entry.nonce === nonce;
      if (mine) taken.push(this.rowOf(entry));
    }
    return taken;
  }

  async settle(lease: Lease, settlements: readonly Settlement[]): Promise<Settled[]> {
    const now = this.db.now();
    return settlements.flatMap((settlement) => this.settleOne(lease, settlement, now, true) ?? []);
  }

  async transaction<T>(lease: Lease, timeoutMs: number, work: (transaction: RunTransaction) => Promise<T>): Promise<T> {
    let last: { settlement: Settlement; at: number } | undefined;
    let failure: BelfryError | undefined;
    const enqueued: EnqueuedCommandInput[] = [];
    const enqueue = async (command: EnqueuedCommandInput): Promise<void> => void enqueued.push(command);
    const settle = async (settlement: Settlement): Promise<Settled> => {
      last = { settlement, at: this.db.now() };
      const settled = this.settleOne(lease, settlement, last.at, false);
      if (settled !== undefined) return settled;
      failure = lost(settlement);
      throw failure;
    };
    try {
      const late = (): Error =>
        new BelfryError('timeout', `The transaction took longer than ${timeoutMs} ms.`, { retryable: true });
      const value = await within(this.clock, timeoutMs, work({ client: null, settle, enqueue }), late);
      if (failure !== undefined) throw failure;
      if (last === undefined) throw new BelfryError('not_settled', 'A transaction of a run must end with its settle.');
      if (this.settleOne(lease, last.settlement, last.at, true) === undefined) throw lost(last.settlement);
      for (const command of enqueued) this.db.enqueue(command);
      return value;
    } catch (error) {
      throw failure ?? error;
    }
  }

  async cancelled(runs: Parameters<RunStore['cancelled']>[0]): Promise<boolean[]> {
    return runs.map((run) => this.db.isCancelled(run));
  }

  async enqueue(command: EnqueuedCommandInput): Promise<void> {
    this.db.enqueue(command);
  }

  async progress(lease: Lease, entries: Parameters<RunStore['progress']>[1]): Promise<void> {
    for (const { runId, token, fraction, note } of entries) {
      const entry = this.db.runs.get(runId);
      if (entry !== undefined && this.owns(lease, entry, token)) entry.progress = { fraction, note };
    }
  }

  async admit(lease: Lease, admissions: readonly Admission[]): Promise<Admitted[]> {
    if (admissions.length > 0 && this.leasing.isDead(lease.executor))
      throw new BelfryError('lease_lost', `The lease ${lease.executor} is dead: it admits nothing.`);
    return this.limiting.admit(lease, admissions);
  }

  async leave(tickets: readonly string[]): Promise<number> {
    return this.limiting.leave(tickets);
  }

  async wakeWaiting(): Promise<number> {
    return this.limiting.wakeWaiting();
  }

  async park(entries: readonly ParkedRun[]): Promise<void> {
    this.parking.park(entries);
  }

  async unpark(runs: readonly { runId: string; attempt: number }[]): Promise<void> {
    this.parking.unpark(runs);
  }

  async takeParked(
    lease: Lease,
    limit: number,
    held?: readonly string[],
    exceptTenants: readonly string[] = [],
  ): Promise<ParkedRun[]> {
    return this.parking.take(lease, limit, held, exceptTenants);
  }

  async releaseParkedOfDead(): Promise<number> {
    return this.parking.releaseOfDead();
  }

  async takeOrphans(lease: Lease, olderThanMs: number, limit: number): Promise<ParkedRun[]> {
    return this.parking.takeOrphans(lease, olderThanMs, limit);
  }

  async takeCancelled(lease: Lease, limit: number): Promise<ParkedRun[]> {
    return this.parking.takeCancelled(lease, limit);
  }

  async openLease(lease: Lease, lengthMs: number): Promise<void> {
    this.leasing.open(lease, lengthMs);
  }

  async renewLease(executor: string, lengthMs: number, free: number): Promise<boolean> {
    return this.leasing.renew(executor, lengthMs, free);
  }

  async markDead(executors: readonly string[]): Promise<{ executor: string; transactionalId: string }[]> {
    return this.leasing.markDead(executors);
  }

  async closeLease(executor: string): Promise<void> {
    this.leasing.close(executor);
  }

  async leases(): Promise<LeaseState[]> {
    return this.leasing.states();
  }

  /** Settles, or only looks whether it could (`write` false); undefined: it takes no effect. */
  private settleOne(lease: Lease, settlement: Settlement, now: number, write: boolean): Settled | undefined {
    const { runId, token, status, attempt, retryInMs } = settlement;
    const entry = this.db.runs.get(runId);
    if (entry === undefined) return undefined;
    if (this.owns(lease, entry, token)) {
      const settled = settledEntry(entry, lease, settlement, now);
      if (write) this.db.runs.set(runId, settled);
      return this.settledOf(settled, now);
    }
    const executor = status === 'ENQUEUED' ? null : lease.executor;
    const before =
      entry.token === token && entry.status === status && entry.attempt === attempt && entry.executor === executor;
    if (!before) return undefined;
    const endedAt = entry.finishedAt ?? (entry.retryAt === null ? now : entry.retryAt - (retryInMs ?? 0));
    return this.settledOf(entry, endedAt);
  }

  private owns(lease: Lease, entry: RunEntry, token: number): boolean {
    const { status, executor } = entry;
    const fenced = entry.token === token && executor === lease.executor && status === 'RUNNING';
    return fenced && !this.leasing.isDead(lease.executor);
  }

  private canReclaim(lease: Lease, entry: RunEntry, lostAttempt: boolean): boolean {
    if (this.leasing.isDead(lease.executor)) return false;
    if (lostAttempt) return entry.status === 'RUNNING' && this.leasing.isDead(entry.executor);
    return entry.status === 'RETRYING' || entry.status === 'ENQUEUED';
  }

  private rowOf(entry: RunEntry): RunRow {
    const { runId, status, attempt, token, lost, executor, worker, nonce } = entry;
    const { startedAt, finishedAt, retryAt, result, resultTruncated, error, reason } = entry;
    const leaseAlive = this.leasing.isAlive(executor);
    const parked = (this.db.parked.get(runId)?.due.attempt ?? -1) >= attempt;
    return {
      ...{ runId, status, attempt, token, lost, executor, worker, nonce, leaseAlive, parked },
      ...{ startedAt, finishedAt, retryAt, result, resultTruncated, error, reason },
    };
  }

  private settledOf(entry: RunEntry, finishedAt: number): Settled {
    const { runId, startedAt, retryAt } = entry;
    const chained = this.db.downstreamsOf(entry).length > 0;
    return { runId, startedAt, finishedAt, retryAt, parked: this.db.parked.has(runId), chained };
  }
}

/** A run's row at its first claim; token 1. */
function newEntry(due: DueRecord, worker: string): RunEntry {
  const { runId, tenant, jobId, scheduledFor, idempotencyKey, replayOf, attempt } = due;
  return {
    ...{ runId, tenant, jobId, scheduledFor, idempotencyKey, replayOf, attempt, worker },
    ...{ status: 'RUNNING', token: 1, lost: 0, executor: null, nonce: null, startedAt: null, finishedAt: null },
    ...{ retryAt: null, result: null, resultTruncated: false, error: null, reason: null, due: null, progress: null },
  };
}

function settledEntry(entry: RunEntry, lease: Lease, settlement: Settlement, now: number): RunEntry {
  const { status, attempt, retryInMs, resultTruncated, error, due } = settlement;
  const result = storedJson(settlement.result);
  return {
    ...entry,
    ...{ status, attempt, resultTruncated, due },
    finishedAt: status === 'RETRYING' || status === 'ENQUEUED' ? null : now,
    retryAt: status === 'RETRYING' ? now + Math.round(retryInMs ?? 0) : null,
    executor: status === 'ENQUEUED' ? null : lease.executor,
    result: result === null ? null : JSON.parse(result),
    error: error === null ? null : { code: error.code, message: storedText(error.message) },
  };
}

function lost({ runId }: Settlement): BelfryError {
  return new BelfryError('lease_lost', 'The run is not this worker’s any more.', { ids: { runId } });
}
