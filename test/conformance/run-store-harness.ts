/** What the suite of the run store needs beside the port, and the runs and leases that it works with. */
import { randomUUID } from 'node:crypto';

import type { Claim, Lease, ParkedRun, RunRow, RunStore, Settlement } from '../../services/core/ports/run-store.ts';
import type { DueRecord } from '../../services/core/records.ts';
import { dueRecord } from '../support/due.ts';

export type RunStoreHarness = {
  store: RunStore;
  /** As if `ms` had passed for leases and parked runs. */
  pass: (ms: number) => Promise<void>;
  setCancelGeneration: (tenant: string, jobId: string, generation: number) => Promise<void>;
  /** As a timer's step marks it. */
  cancelRun: (runId: string) => Promise<void>;
  /** Columns that the port only writes. */
  stored: (runId: string) => Promise<{ due: DueRecord | null; progress: unknown }>;
  /** Commands enqueued for the timer, by their ids. */
  enqueued: () => Promise<string[]>;
  close: () => Promise<void>;
};

export const LENGTH_MS = 60_000;

let made = 0;

/** A due record of a run that nobody has seen. */
export function newDue(changes: Partial<DueRecord> = {}): DueRecord {
  const run = { jobId: `job-${++made}`, scheduledFor: Date.now(), cause: randomUUID() };
  const odd = { payload: { text: 'a\u0000b "quoted" \\ 🔔' }, labels: { team: 'billing "east"' } };
  return dueRecord(run, { handler: 'send-invoice', jobVersion: 3, ...odd, ...changes });
}

export function newDues(count: number, changes: Partial<DueRecord> = {}): DueRecord[] {
  return Array.from({ length: count }, () => newDue(changes));
}

export function newLease(changes: Partial<Lease> = {}): Lease {
  const executor = randomUUID();
  return {
    executor,
    worker: `host:${executor.slice(0, 4)}`,
    queue: 'default',
    transactionalId: `belfry-executor-${executor}`,
    handlers: ['send-invoice', 'HTTP_REQUEST'],
    ...changes,
  };
}

export async function openedLease(store: RunStore, changes: Partial<Lease> = {}, lengthMs = LENGTH_MS): Promise<Lease> {
  const lease = newLease(changes);
  await store.openLease(lease, lengthMs);
  return lease;
}

/** A lease that somebody marked dead. */
export async function kill(store: RunStore, lease: Lease): Promise<void> {
  await store.openLease(lease, 0);
  await store.markDead([lease.executor]);
}

export function claimOne(store: RunStore, lease: Lease, due: DueRecord, nonce: string = randomUUID()): Promise<Claim> {
  return store.claim(lease, [{ due, nonce }]).then(([claim]) => claim as Claim);
}

/** The run's row as a stranger finds it; the run must have one. */
export async function look(store: RunStore, due: DueRecord): Promise<RunRow> {
  const claim = await claimOne(store, await openedLease(store), due);
  if (claim.inserted) throw new Error(`run ${due.runId} had no row`);
  return claim.row;
}

export function settlement(run: { runId: string; token: number }, changes: Partial<Settlement> = {}): Settlement {
  const { runId, token } = run;
  return {
    ...{ runId, token, status: 'COMPLETED', attempt: 1, retryInMs: null, result: null, resultTruncated: false },
    ...{ error: null, due: null, ...changes },
  };
}

export function retrying(run: { runId: string; token: number }, attempt: number, retryInMs = 2_000): Settlement {
  return settlement(run, {
    status: 'RETRYING',
    attempt,
    retryInMs,
    error: { code: 'handler_error', message: 'no luck' },
  });
}

export function handedOver(due: DueRecord): ParkedRun {
  const { runId, queue, priority, handler } = due;
  return { runId, kind: 'handed_over', executor: null, queue, priority, handler, due, parkedAt: 0 };
}

export function detached(due: DueRecord, lease: Lease): ParkedRun {
  return { ...handedOver(due), kind: 'detached', executor: lease.executor };
}

/** The code of the BelfryError that the promise rejects with. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: Error & { code?: string }) => error.code ?? String(error),
  );
}
