/** How strict the checker is: it depends on how the history was made. */
export type CheckOptions = {
  /** Within this time after healing nothing may be left to do. */
  quietWithinMs: number;
  /** Occurrences that came due so shortly before a command that changes their job are decided by either. */
  failoverMs: number;
  /** How far apart the times of one moment may be that two observers wrote down. */
  toleranceMs: number;
};

export const SIMULATION_OPTIONS: CheckOptions = { quietWithinMs: 150_000, failoverMs: 15_000, toleranceMs: 50 };
