/** Limits over the whole deployment. The statements and why they are safe: schemas/sql/011-tenants.sql, 014-cancel-waiting.sql. */
import { BelfryError } from '../../core/errors.ts';
import type { Admission, Admitted, Lease } from '../../core/ports/run-store.ts';
import { boolArray, int4Array, textArray, uuidArray } from './arrays.ts';
import type { Pg } from './pool.ts';
import { inOrder, placeholders } from './run-rows.ts';

const ADMIT = { name: 'admit_runs', text: `SELECT * FROM admit_runs(${placeholders(17)})` };
const LEAVE = { name: 'leave_places', text: 'SELECT leave_places($1) AS woken' };
const WAKE = { name: 'wake_waiting', text: 'SELECT wake_waiting() AS woken' };

/** See RunStore.admit. */
export async function admit(pg: Pg, lease: Lease, admissions: readonly Admission[]): Promise<Admitted[]> {
  if (admissions.length === 0) return [];
  const sorted = inOrder(admissions, ({ due }) => due.runId);
  const limits = sorted.flatMap((admission, index) =>
    admission.limits.map((limit) => ({ ...limit, owner: index + 1 })),
  );
  const rows = await pg.query<{ run_id: string; outcome: Admitted }>(ADMIT, [
    lease.executor,
    uuidArray(sorted.map(({ due }) => due.runId)),
    int4Array(sorted.map(({ due }) => due.attempt)),
    uuidArray(sorted.map(({ nonce }) => nonce)),
    uuidArray(sorted.map(({ ticket }) => ticket)),
    boolArray(sorted.map(({ parked }) => parked)),
    textArray(sorted.map(({ due }) => due.queue)),
    textArray(sorted.map(({ due }) => due.priority)),
    textArray(sorted.map(({ handler }) => handler)),
    textArray(sorted.map(({ due }) => JSON.stringify(due))),
    int4Array(limits.map(({ owner }) => owner)),
    textArray(limits.map(({ name }) => name)),
    int4Array(limits.map(({ most }) => most)),
    boolArray(limits.map(({ perSecond = false }) => perSecond)),
    textArray(sorted.map(({ due }) => due.tenant)),
    textArray(sorted.map(({ due }) => due.jobId)),
    int4Array(sorted.map(({ due }) => due.cancelGen)),
  ]);
  if (rows.length === 0) throw new BelfryError('lease_lost', `The lease ${lease.executor} is dead: it admits nothing.`);
  const outcomes = new Map(rows.map((row) => [row.run_id, row.outcome]));
  return admissions.map(({ due }) => outcomes.get(due.runId)!);
}

/** See RunStore.leave. */
export async function leave(pg: Pg, tickets: readonly string[]): Promise<number> {
  const rows = await pg.query<{ woken: number }>(LEAVE, [uuidArray(tickets)]);
  return rows[0]?.woken ?? 0;
}

/** See RunStore.wakeWaiting. */
export async function wakeWaiting(pg: Pg): Promise<number> {
  const rows = await pg.query<{ woken: number }>(WAKE);
  return rows[0]?.woken ?? 0;
}
