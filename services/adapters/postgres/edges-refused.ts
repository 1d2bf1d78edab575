/** What `write_edges` (schemas/sql/008-chains.sql) says when a step's edges cannot be. */
import { closedCycle, EdgesRefused, unknownUpstreams } from '../../core/edges-refused.ts';
import { BelfryError } from '../../core/errors.ts';

export const EDGES_REFUSED = 'BF001';

type Problem = { tenant: string; job_id: string; missing: string[] | null; cycle: string[] | null };

function detailOf(thrown: unknown): string {
  return thrown instanceof BelfryError ? detailOf(thrown.cause) : (thrown as { detail: string }).detail;
}

/** @param thrown an error of PostgreSQL with that SQLSTATE; its detail names the problems as JSON */
export function edgesRefused(thrown: unknown): EdgesRefused {
  const problems = JSON.parse(detailOf(thrown)) as Problem[];
  return new EdgesRefused(
    problems.map(({ tenant, job_id, missing, cycle }) =>
      cycle === null ? unknownUpstreams(tenant, job_id, missing ?? []) : closedCycle(tenant, job_id, cycle),
    ),
  );
}
