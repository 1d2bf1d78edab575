/** Settling: what came of a run. The statements and why they are safe: schemas/sql/003-run-statements.sql. */
import type { Lease, RunStore, Settled, Settlement } from '../../core/ports/run-store.ts';
import { storedJson, storedText } from '../../core/stored-text.ts';
import { boolArray, int4Array, int8Array, textArray, uuidArray } from './arrays.ts';
import type { Pg } from './pool.ts';
import { inOrder, placeholders, settledOf, type SettledRow } from './run-rows.ts';

const SETTLE = { name: 'settle_runs', text: settleText('') };
const PROGRESS = { name: 'note_progress', text: 'SELECT note_progress($1, $2, $3, $4)' };
const CANCELLED = {
  name: 'cancelled_of_runs',
  // Few are: the others are not answered.
  text: `WITH q AS (SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::uuid[])
                    WITH ORDINALITY AS q (tenant, job_id, cancel_gen, run_id, position))
         SELECT q.position FROM q JOIN jobs j ON j.tenant = q.tenant AND j.job_id = q.job_id WHERE j.cancel_gen > q.cancel_gen
         UNION ALL SELECT q.position FROM q JOIN cancelled_runs c ON c.run_id = q.run_id`,
};

/**
 * The call of settle_runs, and whether other jobs run after a run's. Where there are no chains at all, that is asked once.
 * @param schema what to put before the names of Belfry's own: `belfry.`, or nothing where the search path finds them
 */
export function settleText(schema: string): string {
  return `SELECT s.*, (SELECT EXISTS (SELECT FROM ${schema}edges)) AND EXISTS (
            SELECT FROM ${schema}runs r JOIN ${schema}edges e ON e.tenant = r.tenant AND e.upstream = r.job_id
            WHERE r.run_id = s.run_id) AS chained
          FROM ${schema}settle_runs(${placeholders(11)}) s`;
}

/** See RunStore.settle. */
export async function settle(pg: Pg, lease: Lease, settlements: readonly Settlement[]): Promise<Settled[]> {
  if (settlements.length === 0) return [];
  return settledOf(await pg.query<SettledRow>(SETTLE, settleValues(lease, settlements)));
}

/** The parameters of settle_runs. */
export function settleValues(lease: Lease, settlements: readonly Settlement[]): unknown[] {
  const sorted = inOrder(settlements, ({ runId }) => runId);
  return [
    lease.executor,
    uuidArray(sorted.map(({ runId }) => runId)),
    int8Array(sorted.map(({ token }) => token)),
    textArray(sorted.map(({ status }) => status)),
    int4Array(sorted.map(({ attempt }) => attempt)),
    int8Array(sorted.map(({ retryInMs }) => (retryInMs === null ? null : Math.round(retryInMs)))),
    textArray(sorted.map(({ result }) => storedJson(result))),
    boolArray(sorted.map(({ resultTruncated }) => resultTruncated)),
    textArray(sorted.map(({ error }) => error?.code ?? null)),
    textArray(sorted.map(({ error }) => (error === null ? null : storedText(error.message)))),
    textArray(sorted.map(({ due }) => storedJson(due))),
  ];
}

/** See RunStore.cancelled. */
export async function cancelled(pg: Pg, runs: Parameters<RunStore['cancelled']>[0]): Promise<boolean[]> {
  if (runs.length === 0) return [];
  const rows = await pg.query<{ position: number }>(CANCELLED, [
    textArray(runs.map(({ tenant }) => tenant)),
    textArray(runs.map(({ jobId }) => jobId)),
    int4Array(runs.map(({ cancelGen }) => cancelGen)),
    uuidArray(runs.map(({ runId }) => runId)),
  ]);
  const positions = new Set(rows.map(({ position }) => position));
  return runs.map((_, index) => positions.has(index + 1));
}

/** See RunStore.progress. */
export async function progress(pg: Pg, lease: Lease, entries: Parameters<RunStore['progress']>[1]): Promise<void> {
  if (entries.length === 0) return;
  const sorted = inOrder(entries, ({ runId }) => runId);
  await pg.query(PROGRESS, [
    lease.executor,
    uuidArray(sorted.map(({ runId }) => runId)),
    int8Array(sorted.map(({ token }) => token)),
    textArray(sorted.map(({ fraction, note }) => storedJson({ fraction, note }))),
  ]);
}
