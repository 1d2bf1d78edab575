/** Which edges a step may write, on the memory database: what `write_edges` (schemas/sql/022-cycle-search.sql) checks. */
import {
  closedCycle,
  EdgesRefused,
  MAX_EDGES_BEFORE,
  MAX_JOBS_BEFORE,
  tooManyBefore,
  unknownUpstreams,
  type RefusedEdges,
} from '../../core/edges-refused.ts';
import type { Edges, PartitionStep } from '../../core/ports/timer-store.ts';
import { jobKey } from '../../core/topics.ts';
import type { MemoryDatabase } from './database.ts';

/** @throws EdgesRefused for an upstream that is not there, a cycle, or more jobs before one than are looked at */
export function assertEdges(db: MemoryDatabase, steps: readonly PartitionStep[]): void {
  const changed = steps.flatMap(({ edges }) => edges);
  if (changed.length === 0) return;
  const edges = new Map([...db.edges, ...changed.map((each) => [keyOf(each), each] as const)]);
  const jobs = new Set([...db.jobs.keys(), ...steps.flatMap((step) => step.jobs.map(keyOf))]);
  const refused = changed.flatMap(({ tenant, jobId, upstreams }): RefusedEdges[] => {
    const missing = upstreams.map((upstream) => upstream.jobId).filter((id) => !jobs.has(jobKey(tenant, id)));
    return missing.length === 0 ? [] : [unknownUpstreams(tenant, jobId, missing.sort())];
  });
  refused.push(...new CycleSearch(edges).through(changed));
  if (refused.length > 0) throw new EdgesRefused(refused);
}

/** `search_cycles`: depth first against the edges, each job once. */
class CycleSearch {
  private readonly edges: ReadonlyMap<string, Edges>;
  private readonly state = new Map<string, 'met' | 'on the way' | 'done'>();
  private readonly cameFrom = new Map<string, string>();

  constructor(edges: ReadonlyMap<string, Edges>) {
    this.edges = edges;
  }

  through(changed: readonly Edges[]): RefusedEdges[] {
    const refused: RefusedEdges[] = [];
    for (const { tenant, jobId } of changed) {
      const before = this.state.size;
      let edgesSeen = 0;
      const stack: { jobId: string; isLeft: boolean }[] = [{ jobId, isLeft: false }];
      for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
        const key = jobKey(tenant, at.jobId);
        if (at.isLeft) this.state.set(key, 'done');
        if (at.isLeft || (this.state.get(key) ?? 'met') !== 'met') continue;
        this.state.set(key, 'on the way');
        stack.push({ jobId: at.jobId, isLeft: true });
        for (const { jobId: upstream } of this.edges.get(key)?.upstreams ?? []) {
          edgesSeen++;
          const state = this.state.get(jobKey(tenant, upstream));
          if (state === 'on the way') refused.push(closedCycle(tenant, upstream, this.way(tenant, at.jobId, upstream)));
          if (state !== undefined && state !== 'met') continue;
          this.state.set(jobKey(tenant, upstream), 'met');
          this.cameFrom.set(jobKey(tenant, upstream), at.jobId);
          stack.push({ jobId: upstream, isLeft: false });
        }
        const isCut = this.state.size - before > MAX_JOBS_BEFORE || edgesSeen > MAX_EDGES_BEFORE;
        if (isCut) return [...refused, tooManyBefore(tenant, jobId)];
      }
    }
    return refused;
  }

  /** From `to`, which runs after `from`, in the order of running. */
  private way(tenant: string, from: string, to: string): string[] {
    const way = [to];
    for (let at = from; at !== to; at = this.cameFrom.get(jobKey(tenant, at))!) way.push(at);
    return way;
  }
}

function keyOf({ tenant, jobId }: { tenant: string; jobId: string }): string {
  return jobKey(tenant, jobId);
}
