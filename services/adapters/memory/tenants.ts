/** Tenants' quotas in memory; see core/ports/tenants.ts. */
import { isOpen } from '../../core/model.ts';
import { NO_QUOTAS, type Quotas, type Tenant, type Tenants } from '../../core/ports/tenants.ts';
import { concurrencyOf, handlersOf, rateOf } from '../../core/tenant-limits.ts';
import type { MemoryDatabase } from './database.ts';

const DAY_MS = 86_400_000;

export class MemoryTenants implements Tenants {
  private readonly db: MemoryDatabase;

  constructor(db: MemoryDatabase) {
    this.db = db;
  }

  async list(): Promise<Tenant[]> {
    return [...this.db.tenants.values()].sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
  }

  async find(tenant: string): Promise<Tenant | undefined> {
    return this.db.tenants.get(tenant);
  }

  async set(tenant: string, changes: Partial<Quotas>): Promise<Tenant> {
    const known = Object.entries(changes).filter(([, value]) => value !== undefined);
    const former = this.db.tenants.get(tenant) ?? NO_QUOTAS;
    const set: Tenant = { ...former, ...Object.fromEntries(known), tenant, updatedAt: this.db.now() };
    this.db.tenants.set(tenant, set);
    this.relimit(concurrencyOf(tenant), set.concurrentRuns);
    this.relimit(rateOf(tenant), set.runsPerSecond);
    const prefix = handlersOf(tenant);
    const waiting = [...this.db.parked.values()].flatMap(({ limitName = '' }) =>
      limitName.startsWith(prefix) ? limitName : [],
    );
    for (const name of new Set(waiting)) this.relimit(name, set.handlerRuns?.[name.slice(prefix.length)] ?? null);
    return set;
  }

  async remove(tenant: string): Promise<boolean> {
    if (!this.db.tenants.has(tenant)) return false;
    await this.set(tenant, NO_QUOTAS);
    return this.db.tenants.delete(tenant);
  }

  async countJobs(tenants: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const job of this.db.jobs.values()) {
      if (tenants.includes(job.tenant) && isOpen(job)) counts.set(job.tenant, (counts.get(job.tenant) ?? 0) + 1);
    }
    return counts;
  }

  async forgetHistory(): Promise<number> {
    const old = [...this.db.runs.values()].filter(({ tenant, finishedAt }) => {
      const days = this.db.tenants.get(tenant)?.historyDays ?? Infinity;
      return finishedAt !== null && finishedAt < this.db.now() - days * DAY_MS;
    });
    for (const { runId } of old) this.db.runs.delete(runId);
    return old.length;
  }

  /** Runs that wait obey the new limit; whose limit went, waits no more. */
  private relimit(name: string, most: number | null): void {
    for (const row of this.db.parked.values()) {
      if (row.limitName !== name || row.kind !== 'waiting') continue;
      const { limitName: _, most: __, ...free } = row;
      this.db.parked.set(row.runId, most === null ? { ...free, kind: 'handed_over' } : { ...row, most });
    }
  }
}
