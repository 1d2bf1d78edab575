import { BelfryError } from './errors.ts';
import type { Rejection } from './records.ts';

/** A job whose edges cannot be, and why. */
export type RefusedEdges = {
  tenant: string;
  jobId: string;
  rejection: Rejection;
  /** Of a cycle: the jobs on it. Without the edges of one of them there is none. */
  cycle: readonly string[];
};

/** A step was refused as a whole because of edges that it would write: decide it again without the commands that ask for them. */
export class EdgesRefused extends BelfryError {
  readonly refused: readonly RefusedEdges[];

  constructor(refused: readonly RefusedEdges[]) {
    super('edges_refused', refused.map(({ jobId, rejection }) => `${jobId}: ${rejection.message}`).join('; '));
    this.refused = refused;
  }
}

/** @param missing upstreams that are not there */
export function unknownUpstreams(tenant: string, jobId: string, missing: readonly string[]): RefusedEdges {
  const message = `there is no job ${missing.join(', ')} to run after; schedule it first`;
  return { tenant, jobId, rejection: { code: 'unknown_job', message, field: 'job.schedule.after' }, cycle: [] };
}

/** @param cycle the jobs on it in the order of running, the first one once */
export function closedCycle(tenant: string, jobId: string, cycle: readonly string[]): RefusedEdges {
  const message = `${[...cycle, cycle[0]].join(' → ')} is a cycle: leave one of these edges out`;
  return { tenant, jobId, rejection: { code: 'cycle', message, field: 'job.schedule.after' }, cycle };
}
