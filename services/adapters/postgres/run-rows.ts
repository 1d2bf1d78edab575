/** Between the rows of `runs` and the port's values: the only file that knows their columns. */
import type { RunStatus } from '../../core/model.ts';
import type { RunRow, Settled } from '../../core/ports/run-store.ts';
import type { DueRecord } from '../../core/records.ts';
import { int4Array, int8Array, textArray, uuidArray } from './arrays.ts';

/** A row of the view `run_state`. */
export type StateRow = {
  run_id: string;
  status: RunStatus;
  attempt: number;
  token: number;
  lost: number;
  executor: string | null;
  worker: string;
  nonce: string | null;
  lease_alive: boolean;
  parked: boolean;
  started_at: number | null;
  finished_at: number | null;
  retry_at: number | null;
  result: string | null;
  result_truncated: boolean;
  error_code: string | null;
  error_message: string | null;
  reason: string | null;
};

export type SettledRow = {
  run_id: string;
  started_at: number | null;
  finished_at: number;
  retry_at: number | null;
  parked: boolean;
  chained: boolean;
};

export function runRowOf(row: StateRow): RunRow {
  return {
    runId: row.run_id,
    status: row.status,
    attempt: row.attempt,
    token: row.token,
    lost: row.lost,
    executor: row.executor,
    worker: row.worker,
    nonce: row.nonce,
    leaseAlive: row.lease_alive,
    parked: row.parked,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    retryAt: row.retry_at,
    result: row.result === null ? null : JSON.parse(row.result),
    resultTruncated: row.result_truncated,
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    reason: row.reason,
  };
}

/** A run may come twice (see settle_runs): the first answer counts. */
export function settledOf(rows: readonly SettledRow[]): Settled[] {
  const settled = new Map<string, Settled>();
  for (const row of rows) {
    if (settled.has(row.run_id)) continue;
    settled.set(row.run_id, {
      runId: row.run_id,
      startedAt: row.started_at,
      finishedAt: row.finished_at,
      retryAt: row.retry_at,
      parked: row.parked,
      chained: row.chained,
    });
  }
  return [...settled.values()];
}

/** The columns that a due record gives its run, in the order of claim_runs. */
export function columnsOf(dues: readonly DueRecord[]): Buffer[] {
  return [
    uuidArray(dues.map((due) => due.runId)),
    textArray(dues.map((due) => due.tenant)),
    textArray(dues.map((due) => due.jobId)),
    int4Array(dues.map((due) => due.jobVersion)),
    textArray(dues.map((due) => due.type)),
    textArray(dues.map((due) => due.handler)),
    textArray(dues.map((due) => due.queue)),
    textArray(dues.map((due) => due.priority)),
    textArray(dues.map((due) => due.trigger)),
    textArray(dues.map((due) => due.cause)),
    int8Array(dues.map((due) => due.scheduledFor)),
    int4Array(dues.map((due) => due.attempt)),
    uuidArray(dues.map((due) => due.replayOf)),
    uuidArray(dues.map((due) => due.idempotencyKey)),
    textArray(dues.map((due) => JSON.stringify(due.labels))),
  ];
}

/** In the order of run ids, in which all batches lock their rows: two that share runs cannot deadlock. */
export function inOrder<T>(entries: readonly T[], runIdOf: (entry: T) => string): T[] {
  return entries
    .map((entry) => ({ entry, runId: runIdOf(entry) }))
    .sort((a, b) => (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0))
    .map(({ entry }) => entry);
}

/** `$1, $2, … $count`. */
export function placeholders(count: number): string {
  return Array.from({ length: count }, (_, index) => `$${index + 1}`).join(', ');
}
