/**
 * Parked runs: those that no Kafka offset holds any more, so that their row here is all that is left of them.
 *
 * Invariant: a row goes only when the end of its attempt, or of a later one, was published; a later attempt's row is never
 * replaced or removed by whoever knows only an earlier one.
 */
import type { Lease, ParkedRun } from '../../core/ports/run-store.ts';
import type { DueRecord } from '../../core/records.ts';
import { int4Array, textArray, uuidArray } from './arrays.ts';
import type { Pg } from './pool.ts';
import { inOrder } from './run-rows.ts';

const PARK = {
  name: 'park',
  text: `INSERT INTO parked AS p (run_id, attempt, kind, executor, queue, priority, handler, due, tenant, parked_at)
         SELECT *, now_ms()
         FROM unnest($1::uuid[], $2::int[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
         ON CONFLICT (run_id) DO UPDATE SET
           attempt = excluded.attempt, kind = excluded.kind, executor = excluded.executor, queue = excluded.queue,
           priority = excluded.priority, handler = excluded.handler, due = excluded.due, tenant = excluded.tenant, limit_name = NULL, most = NULL,
           parked_at = CASE WHEN p.kind = excluded.kind AND p.attempt = excluded.attempt THEN p.parked_at ELSE excluded.parked_at END
         WHERE p.attempt <= excluded.attempt`,
};
const UNPARK = {
  name: 'unpark',
  text: `DELETE FROM parked p USING unnest($1::uuid[], $2::int[]) AS u (run_id, attempt)
         WHERE p.run_id = u.run_id AND p.attempt <= u.attempt`,
};
// Rows of the release before this one may have no tenant. The second half reads the table as it was before the first: it answers none of those just taken.
const TAKE = {
  name: 'take_parked',
  text: `WITH picked AS (
           SELECT run_id FROM parked
           WHERE kind = 'handed_over' AND queue = $2 AND handler = ANY ($3::text[])
             AND (tenant IS NULL OR tenant <> ALL ($6::text[]))
             AND EXISTS (SELECT FROM leases l WHERE l.executor = $1 AND NOT l.dead)
           ORDER BY array_position('{high,medium,low}', priority), parked_at
           LIMIT $4::int FOR UPDATE SKIP LOCKED),
         taken AS (
           UPDATE parked p SET kind = 'detached', executor = $1, parked_at = now_ms() FROM picked
           WHERE p.run_id = picked.run_id RETURNING p.*)
         SELECT * FROM taken
         UNION ALL
         SELECT * FROM parked WHERE kind = 'detached' AND executor = $1 AND run_id <> ALL ($5::uuid[])`,
};
const RELEASE = {
  name: 'release_parked',
  text: `UPDATE parked p SET kind = 'handed_over', executor = NULL, parked_at = now_ms()
         WHERE kind = 'detached' AND NOT EXISTS (SELECT FROM leases l WHERE l.executor = p.executor AND NOT l.dead)
         RETURNING run_id`,
};
const TAKE_ORPHANS = {
  name: 'take_orphans',
  text: `WITH picked AS (
           SELECT run_id FROM parked p
           WHERE kind = 'handed_over' AND queue = $2 AND parked_at < now_ms() - $3::bigint
             AND EXISTS (SELECT FROM leases l WHERE l.executor = $1 AND NOT l.dead)
             AND NOT EXISTS (SELECT FROM leases l WHERE l.queue = p.queue AND p.handler = ANY (l.handlers)
                                                    AND l.expires_at > now_ms() - $3::bigint)
           LIMIT $4::int FOR UPDATE SKIP LOCKED)
         UPDATE parked p SET kind = 'detached', executor = $1, parked_at = now_ms() FROM picked
         WHERE p.run_id = picked.run_id RETURNING p.*`,
};
const TAKE_CANCELLED = {
  name: 'take_cancelled',
  text: `UPDATE parked p SET kind = 'detached', executor = $1, limit_name = NULL, most = NULL, parked_at = now_ms()
         FROM (SELECT * FROM cancelled_waiting($2, $3::int) UNION SELECT * FROM cancelled_parked($2, $3::int)) AS cancelled (id)
         WHERE p.run_id = cancelled.id AND p.kind IN ('waiting', 'handed_over')
           AND EXISTS (SELECT FROM leases l WHERE l.executor = $1 AND NOT l.dead)
         RETURNING p.*`,
};

type ParkedRow = {
  run_id: string;
  kind: ParkedRun['kind'];
  executor: string | null;
  queue: string;
  priority: ParkedRun['priority'];
  handler: string;
  due: string;
  parked_at: number;
};

/** See RunStore.park. */
export async function park(pg: Pg, entries: readonly ParkedRun[]): Promise<void> {
  if (entries.length === 0) return;
  const latest = new Map<string, ParkedRun>();
  for (const entry of entries) {
    if ((latest.get(entry.runId)?.due.attempt ?? 0) <= entry.due.attempt) latest.set(entry.runId, entry);
  }
  const sorted = inOrder([...latest.values()], ({ runId }) => runId);
  await pg.query(PARK, [
    uuidArray(sorted.map(({ runId }) => runId)),
    int4Array(sorted.map(({ due }) => due.attempt)),
    textArray(sorted.map(({ kind }) => kind)),
    uuidArray(sorted.map(({ executor }) => executor)),
    textArray(sorted.map(({ queue }) => queue)),
    textArray(sorted.map(({ priority }) => priority)),
    textArray(sorted.map(({ handler }) => handler)),
    textArray(sorted.map(({ due }) => JSON.stringify(due))),
    textArray(sorted.map(({ due }) => due.tenant)),
  ]);
}

/** See RunStore.unpark. */
export async function unpark(pg: Pg, runs: readonly { runId: string; attempt: number }[]): Promise<void> {
  if (runs.length === 0) return;
  const sorted = inOrder(runs, ({ runId }) => runId);
  await pg.query(UNPARK, [
    uuidArray(sorted.map(({ runId }) => runId)),
    int4Array(sorted.map(({ attempt }) => attempt)),
  ]);
}

type WantedParked = {
  limit: number;
  held: readonly string[] | undefined;
  exceptTenants: readonly string[] | undefined;
};

/** See RunStore.takeParked. Without `held`, detached rows are left alone: nobody's id is everybody's. */
export async function takeParked(
  pg: Pg,
  lease: Lease,
  { limit, held, exceptTenants = [] }: WantedParked,
): Promise<ParkedRun[]> {
  const rows = await pg.query<ParkedRow>(TAKE, [
    lease.executor,
    lease.queue,
    textArray(lease.handlers),
    limit,
    held === undefined ? null : uuidArray(held),
    textArray(exceptTenants),
  ]);
  return rows.map(parkedRunOf);
}

/** See RunStore.releaseParkedOfDead. */
export async function releaseParkedOfDead(pg: Pg): Promise<number> {
  return (await pg.query(RELEASE)).length;
}

/** See RunStore.takeOrphans. */
export async function takeOrphans(pg: Pg, lease: Lease, olderThanMs: number, limit: number): Promise<ParkedRun[]> {
  const rows = await pg.query<ParkedRow>(TAKE_ORPHANS, [lease.executor, lease.queue, Math.round(olderThanMs), limit]);
  return rows.map(parkedRunOf);
}

/** See RunStore.takeCancelled. */
export async function takeCancelled(pg: Pg, lease: Lease, limit: number): Promise<ParkedRun[]> {
  const rows = await pg.query<ParkedRow>(TAKE_CANCELLED, [lease.executor, lease.queue, limit]);
  return rows.map(parkedRunOf);
}

function parkedRunOf(row: ParkedRow): ParkedRun {
  return {
    runId: row.run_id,
    kind: row.kind,
    executor: row.executor,
    queue: row.queue,
    priority: row.priority,
    handler: row.handler,
    due: JSON.parse(row.due) as DueRecord,
    parkedAt: row.parked_at,
  };
}
