/** What a run gets to know of the runs that it comes after. */
import type { TerminalStatus, UpstreamRun } from './model.ts';
import type { RunError } from './records.ts';

/** Characters of JSON that all results together may take, so that a due record stays far below the size of a message. */
const MAX_RESULTS = 256 * 1024;

export type EndedUpstream = {
  jobId: string;
  runId: string;
  status: string;
  result: unknown;
  resultTruncated: boolean;
  error: RunError | null;
};

/**
 * The upstreams' runs as the downstream's handler sees them. Each has an equal share of 256 KiB (so up to four never lose
 * anything): a result that is larger than its share is left out and marked `resultTruncated`.
 */
export function upstreamRuns(ended: readonly EndedUpstream[]): UpstreamRun[] {
  const share = MAX_RESULTS / ended.length;
  return ended.map(({ jobId, runId, status, result, resultTruncated, error }) => {
    const isLeftOut = result !== null && JSON.stringify(result).length > share;
    return {
      ...{ jobId, runId, status: status as TerminalStatus },
      ...(result === null || isLeftOut ? {} : { result }),
      ...(resultTruncated || isLeftOut ? { resultTruncated: true } : {}),
      ...(error === null ? {} : { error }),
    };
  });
}
