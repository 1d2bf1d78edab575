/** Claiming: how a run becomes an executor's. The statements and why they are safe: schemas/sql/020-claim-ahead.sql, and 003-run-statements.sql. */
import { BelfryError } from '../../core/errors.ts';
import type { Claim, ClaimRequest, Lease, Reclaim, RunRow } from '../../core/ports/run-store.ts';
import type { DueRecord } from '../../core/records.ts';
import { boolArray, int4Array, int8Array, uuidArray } from './arrays.ts';
import type { Pg } from './pool.ts';
import { columnsOf, inOrder, placeholders, runRowOf, type StateRow } from './run-rows.ts';

const CLAIM = { name: 'claim_runs', text: `SELECT * FROM claim_runs(${placeholders(19)})` };
const RECLAIM = { name: 'reclaim_runs', text: `SELECT * FROM reclaim_runs(${placeholders(8)})` };

/** See RunStore.claim. */
export async function claim(pg: Pg, lease: Lease, requests: readonly ClaimRequest[]): Promise<Claim[]> {
  if (requests.length === 0) return [];
  const sorted = inOrder(requests, ({ due }) => due.runId);
  const [head, ...present] = await pg.query<StateRow>(CLAIM, [
    lease.executor,
    lease.worker,
    ...columnsOf(sorted.map(({ due }) => due)),
    uuidArray(sorted.map(({ nonce }) => nonce)),
    dueTimes(sorted),
  ]);
  if (head === undefined)
    throw new BelfryError('lease_lost', `The lease ${lease.executor} is dead: it claims nothing.`);
  if (head.token + present.length !== requests.length) {
    throw new BelfryError('store_unavailable', 'A run was dropped with its day just now.', { retryable: true });
  }
  const rows = new Map(present.map((row) => [row.run_id, row]));
  return requests.map((request) => {
    const row = rows.get(request.due.runId);
    return row === undefined
      ? { runId: request.due.runId, inserted: true, row: insertedRow(lease, request, head.started_at) }
      : { runId: row.run_id, inserted: false, row: runRowOf(row) };
  });
}

/** See RunStore.reclaim. */
export async function reclaim(pg: Pg, lease: Lease, requests: readonly Reclaim[]): Promise<RunRow[]> {
  if (requests.length === 0) return [];
  const sorted = inOrder(requests, ({ due }) => due.runId);
  const rows = await pg.query<StateRow>(RECLAIM, [
    lease.executor,
    lease.worker,
    uuidArray(sorted.map(({ due }) => due.runId)),
    int4Array(sorted.map(({ due }) => due.attempt)),
    uuidArray(sorted.map(({ nonce }) => nonce)),
    int8Array(sorted.map(({ expectedToken }) => expectedToken)),
    boolArray(sorted.map(({ lostAttempt }) => lostAttempt)),
    dueTimes(sorted),
  ]);
  return rows.map(runRowOf);
}

function dueTimes(requests: readonly { due: DueRecord }[]): Buffer {
  return int8Array(requests.map(({ due }) => Math.ceil(due.dueAt)));
}

function insertedRow(lease: Lease, { due, nonce }: ClaimRequest, claimedAt: number | null): RunRow {
  return {
    runId: due.runId,
    status: 'RUNNING',
    attempt: due.attempt,
    token: 1,
    lost: 0,
    executor: lease.executor,
    worker: lease.worker,
    nonce,
    leaseAlive: true,
    parked: false,
    startedAt: Math.max(claimedAt ?? 0, Math.ceil(due.dueAt)),
    finishedAt: null,
    retryAt: null,
    result: null,
    resultTruncated: false,
    error: null,
    reason: null,
  };
}
