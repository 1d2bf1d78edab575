/**
 * The index of rejected records: what stands on job.commands.rejected, to be found without reading that topic. Timers write it in
 * the step that rejects (`PartitionStep.rejected`). Implementations: `adapters/postgres`, `adapters/memory`.
 *
 * Errors: BelfryError `store_unavailable` (retryable), `not_migrated`.
 */
import type { Origin, RejectedRecord } from '../rejected-record.ts';

export type RejectedFilter = { tenant?: string; jobId?: string };

export interface Rejections {
  /** For those who reject a record outside of a step; the same origin again changes nothing. */
  record(rejected: readonly RejectedRecord[]): Promise<void>;
  /** The latest `limit`, the latest first. Of a tenant MAX_REJECTED_PER_TENANT are kept, for REJECTED_KEPT_MS. */
  list(filter: RejectedFilter, limit: number): Promise<RejectedRecord[]>;
  find(origin: Origin): Promise<RejectedRecord | undefined>;
}
