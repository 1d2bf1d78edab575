/** Parked runs in memory. Invariant: a later attempt's row is never replaced or removed by whoever knows only an earlier one. */
import { PRIORITIES } from '../../core/model.ts';
import type { Lease, ParkedRun } from '../../core/ports/run-store.ts';
import type { MemoryDatabase } from './database.ts';
import type { MemoryLeases } from './run-leases.ts';

export class MemoryParked {
  private readonly db: MemoryDatabase;
  private readonly leases: MemoryLeases;

  constructor(db: MemoryDatabase, leases: MemoryLeases) {
    this.db = db;
    this.leases = leases;
  }

  park(entries: readonly ParkedRun[]): void {
    for (const entry of entries) {
      const present = this.db.parked.get(entry.runId);
      if (present !== undefined && present.due.attempt > entry.due.attempt) continue;
      const same = present?.kind === entry.kind && present.due.attempt === entry.due.attempt;
      this.db.parked.set(entry.runId, { ...entry, parkedAt: same ? present.parkedAt : this.db.now() });
    }
  }

  unpark(runs: readonly { runId: string; attempt: number }[]): void {
    for (const { runId, attempt } of runs) {
      const present = this.db.parked.get(runId);
      if (present !== undefined && present.due.attempt <= attempt) this.db.parked.delete(runId);
    }
  }

  take(
    lease: Lease,
    limit: number,
    held: readonly string[] | undefined,
    exceptTenants: readonly string[],
  ): ParkedRun[] {
    const known = held && new Set(held);
    const unknown = known === undefined ? [] : this.all().filter((row) => isOf(row, lease) && !known.has(row.runId));
    const waiting = this.all()
      .filter((row) => row.kind === 'handed_over' && row.queue === lease.queue && lease.handlers.includes(row.handler))
      .filter((row) => !exceptTenants.includes(row.due.tenant))
      .sort((a, b) => rank(a) - rank(b) || a.parkedAt - b.parkedAt);
    return [...this.detach(lease, waiting.slice(0, limit)), ...unknown];
  }

  releaseOfDead(): number {
    const left = this.all().filter((row) => row.kind === 'detached' && this.leases.isDead(row.executor));
    for (const row of left) {
      this.db.parked.set(row.runId, { ...row, kind: 'handed_over', executor: null, parkedAt: this.db.now() });
    }
    return left.length;
  }

  takeOrphans(lease: Lease, olderThanMs: number, limit: number): ParkedRun[] {
    const since = this.db.now() - olderThanMs;
    const orphans = this.all()
      .filter((row) => row.kind === 'handed_over' && row.queue === lease.queue && row.parkedAt < since)
      .filter((row) => !this.leases.hadHandlerSince(row.queue, row.handler, since));
    return this.detach(lease, orphans.slice(0, limit));
  }

  takeCancelled(lease: Lease, limit: number): ParkedRun[] {
    const cancelled = [...this.db.parked.values()]
      .filter(({ kind, queue }) => kind !== 'detached' && queue === lease.queue)
      .filter(({ kind, due }) =>
        kind === 'waiting' ? this.db.isCancelled(due) : this.db.cancelledRuns.has(due.runId),
      );
    return this.detach(
      lease,
      cancelled.slice(0, limit).map(({ limitName: _, most: __, ...row }) => row),
    );
  }

  private detach(lease: Lease, rows: readonly ParkedRun[]): ParkedRun[] {
    if (this.leases.isDead(lease.executor)) return [];
    return rows.map((row) => {
      const taken: ParkedRun = { ...row, kind: 'detached', executor: lease.executor, parkedAt: this.db.now() };
      this.db.parked.set(row.runId, taken);
      return taken;
    });
  }

  private all(): ParkedRun[] {
    return [...this.db.parked.values()];
  }
}

function isOf(row: ParkedRun, lease: Lease): boolean {
  return row.kind === 'detached' && row.executor === lease.executor;
}

function rank({ priority }: ParkedRun): number {
  return PRIORITIES.indexOf(priority);
}
