/** Which edges a step may write, on the memory database: what `write_edges` (schemas/sql/008-chains.sql) checks. */
import { closedCycle, EdgesRefused, unknownUpstreams, type RefusedEdges } from '../../core/edges-refused.ts';
import type { Edges, PartitionStep } from '../../core/ports/timer-store.ts';
import { jobKey } from '../../core/topics.ts';
import type { MemoryDatabase } from './database.ts';

/** @throws EdgesRefused for an upstream that is not there, or a cycle */
export function assertEdges(db: MemoryDatabase, steps: readonly PartitionStep[]): void {
  const changed = steps.flatMap(({ edges }) => edges);
  if (changed.length === 0) return;
  const edges = new Map([...db.edges, ...changed.map((each) => [keyOf(each), each] as const)]);
  const jobs = new Set([...db.jobs.keys(), ...steps.flatMap((step) => step.jobs.map(keyOf))]);
  const refused = changed.flatMap((each): RefusedEdges[] => {
    const { tenant, jobId, upstreams } = each;
    const missing = upstreams.map((upstream) => upstream.jobId).filter((id) => !jobs.has(jobKey(tenant, id)));
    const cycle = cycleThrough(each, edges);
    return [
      ...(missing.length === 0 ? [] : [unknownUpstreams(tenant, jobId, missing.sort())]),
      ...(cycle === undefined ? [] : [closedCycle(tenant, jobId, cycle)]),
    ];
  });
  if (refused.length > 0) throw new EdgesRefused(refused);
}

/** The shortest way from a job against the edges back to it, in the order of running. */
function cycleThrough({ tenant, jobId: start }: Edges, edges: ReadonlyMap<string, Edges>): string[] | undefined {
  const ways = [[start]];
  const met = new Set<string>();
  for (const way of ways) {
    for (const { jobId } of edges.get(jobKey(tenant, way[0]!))?.upstreams ?? []) {
      if (jobId === start) return [start, ...way.slice(0, -1)];
      if (!met.has(jobId)) ways.push([jobId, ...way]);
      met.add(jobId);
    }
  }
  return undefined;
}

function keyOf({ tenant, jobId }: { tenant: string; jobId: string }): string {
  return jobKey(tenant, jobId);
}
