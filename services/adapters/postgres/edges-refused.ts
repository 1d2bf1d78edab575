/** What `write_edges` (schemas/sql/022-cycle-search.sql) says when a step's edges cannot be. */
import {
  closedCycle,
  EdgesRefused,
  tooManyBefore,
  unknownUpstreams,
  type RefusedEdges,
} from '../../core/edges-refused.ts';
import { BelfryError } from '../../core/errors.ts';

export const EDGES_REFUSED = 'BF001';

type Problem = {
  tenant: string;
  job_id: string;
  missing: string[] | null;
  cycle: string[] | null;
  /** Absent before 022-cycle-search.sql. */
  cut?: boolean;
};

function detailOf(thrown: unknown): string {
  return thrown instanceof BelfryError ? detailOf(thrown.cause) : (thrown as { detail: string }).detail;
}

/** @param thrown an error of PostgreSQL with that SQLSTATE; its detail names the problems as JSON */
export function edgesRefused(thrown: unknown): EdgesRefused {
  const problems = JSON.parse(detailOf(thrown)) as Problem[];
  return new EdgesRefused(problems.map(refusedOf));
}

function refusedOf({ tenant, job_id: jobId, missing, cycle, cut }: Problem): RefusedEdges {
  if (cut === true) return tooManyBefore(tenant, jobId);
  return cycle === null ? unknownUpstreams(tenant, jobId, missing ?? []) : closedCycle(tenant, jobId, cycle);
}
