/** The audit log in memory; see core/ports/audit.ts. */
import type { AuditEntry } from '../../core/audit.ts';
import type { Audit, AuditFilter, AuditRecord } from '../../core/ports/audit.ts';
import type { MemoryDatabase } from './database.ts';

export class MemoryAudit implements Audit {
  private readonly db: MemoryDatabase;

  constructor(db: MemoryDatabase) {
    this.db = db;
  }

  async record(entry: Omit<AuditEntry, 'at'>): Promise<void> {
    this.db.appendAudit({ ...entry, at: this.db.now() });
  }

  async list(filter: AuditFilter, limit: number): Promise<AuditRecord[]> {
    const found = this.db.audit.filter((entry) => fits(entry, filter));
    return found.reverse().slice(0, limit);
  }
}

function fits(entry: AuditRecord, { tenant, jobId, action, actor, since, until, before }: AuditFilter): boolean {
  const { kind, id, name } = entry.actor;
  return (
    (tenant === undefined || entry.tenant === tenant) &&
    (jobId === undefined || entry.jobId === jobId) &&
    (action === undefined || entry.action === action) &&
    (actor === undefined || [kind, id, name].includes(actor)) &&
    (since === undefined || entry.at >= since) &&
    (until === undefined || entry.at < until) &&
    (before === undefined || entry.id < before)
  );
}
