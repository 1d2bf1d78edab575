/**
 * The audit log, beside what the timer's steps write to it. Implementations: `adapters/postgres`, `adapters/memory`.
 *
 * Errors: BelfryError `store_unavailable` (retryable), `not_migrated`.
 */
import type { AuditAction, AuditEntry } from '../audit.ts';

/** `id` grows with each entry of a tenant, and is a place in the list. */
export type AuditRecord = AuditEntry & { id: number };

export type AuditFilter = {
  tenant?: string;
  jobId?: string;
  action?: AuditAction;
  /** A kind of actor, the prefix of a key, or a name. */
  actor?: string;
  /** ms: from `since` on, before `until`. */
  since?: number;
  until?: number;
  /** The list goes on behind this entry. */
  before?: number;
};

export interface Audit {
  /** Appends, at the store's own time. */
  record(entry: Omit<AuditEntry, 'at'>): Promise<void>;
  /** The latest `limit`, newest first. */
  list(filter: AuditFilter, limit: number): Promise<AuditRecord[]>;
}
