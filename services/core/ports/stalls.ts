/**
 * Processes that were ended because their event loop was stuck, and where they were. Implementations: `adapters/postgres`; tests have one
 * of their own.
 *
 * Errors: BelfryError `store_unavailable` (retryable), `not_migrated`.
 */

/** So many owners of a partition lost at an input, and the next one sets it aside. */
export const OWNERS_TO_SET_ASIDE = 2;

export type Stall = {
  /** timer, executor, api */
  service: string;
  /** host:pid */
  worker: string;
  /** What it was at, by name, with the key of its job ('' where there is none); null: at nothing that was marked. */
  at: { partition: number | null; input: string; job: string } | null;
};

/** An input of a partition, and how many of its owners were lost at it. */
export type StalledInput = { input: string; job: string; owners: number };

export interface Stalls {
  record(stall: Stall): Promise<void>;
  /** Inputs at which timers that owned this partition were lost within the last day. */
  ofPartition(partition: number): Promise<StalledInput[]>;
}
