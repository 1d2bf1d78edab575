/**
 * How long, from the beginning of one turn of a stage to that of the next, at the least: what comes up meanwhile goes together.
 * A stage that had nothing to do for so long begins at once.
 */
export type Paces = {
  /** Looking for cancels of runs that are due: the one that makes runs late. */
  startMs: number;
  settleMs: number;
  /** A transaction costs about ten writes of the broker's own, whatever it carries. */
  publishMs: number;
};

export const DEFAULT_PACES: Paces = { startMs: 3, settleMs: 10, publishMs: 30 };
