/** How strict the checker is: it depends on how the history was made. */
export type CheckOptions = {
  /** Within this time after healing nothing may be left to do. */
  quietWithinMs: number;
  /** Occurrences that came due so shortly before a command that changes their job are decided by either. */
  failoverMs: number;
  /** How far apart the times of one moment may be that two observers wrote down. */
  toleranceMs: number;
  /** A process that thaws aborts its runs within this time. */
  thawMs: number;
};

export const SIMULATION_OPTIONS: CheckOptions = {
  quietWithinMs: 150_000,
  failoverMs: 15_000,
  toleranceMs: 50,
  thawMs: 1_000,
};

/**
 * Real processes on a machine that may be loaded: times are longer, promises are the same. A server may be away for 9 s and
 * its clients may need as long again to find it, hence the time of a fail-over.
 */
export const CHAOS_OPTIONS: CheckOptions = {
  quietWithinMs: 120_000,
  failoverMs: 30_000,
  toleranceMs: 100,
  thawMs: 2_500,
};
