import { BelfryError } from './errors.ts';
import type { Rejection } from './records.ts';

/** The search for cycles gives up beyond so many jobs, or edges, that stand before one (also in schemas/sql/022-cycle-search.sql). */
export const MAX_JOBS_BEFORE = 10_000;
export const MAX_EDGES_BEFORE = 100_000;
/** Jobs of a cycle that its message names. */
const MAX_NAMED = 20;

/** A job whose edges cannot be, and why. */
export type RefusedEdges = {
  tenant: string;
  jobId: string;
  rejection: Rejection;
  /** Upstreams that are not there. */
  missing: readonly string[];
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
  return {
    tenant,
    jobId,
    rejection: { code: 'unknown_job', message, field: 'job.schedule.after' },
    missing,
    cycle: [],
  };
}

/** @param cycle the jobs on it in the order of running, the first one once */
export function closedCycle(tenant: string, jobId: string, cycle: readonly string[]): RefusedEdges {
  const message = `${named([...cycle, cycle[0]!]).join(' → ')} is a cycle: leave one of these edges out`;
  return { tenant, jobId, rejection: { code: 'cycle', message, field: 'job.schedule.after' }, missing: [], cycle };
}

/** The job runs after more jobs, directly or through others, than are looked at. */
export function tooManyBefore(tenant: string, jobId: string): RefusedEdges {
  const message =
    `${jobId} would run after more than ${MAX_JOBS_BEFORE} jobs, or along more than ${MAX_EDGES_BEFORE} edges, ` +
    'counting those before its upstreams: put a job in between that starts a chain of its own';
  return { tenant, jobId, rejection: { code: 'quota', message, field: 'job.schedule.after' }, missing: [], cycle: [] };
}

/** Of a long way, its beginning and its end. */
function named(way: readonly string[]): readonly string[] {
  if (way.length <= MAX_NAMED) return way;
  return [...way.slice(0, MAX_NAMED - 2), `… (${way.length - MAX_NAMED} more)`, ...way.slice(-2)];
}
