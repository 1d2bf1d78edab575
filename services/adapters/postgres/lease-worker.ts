/**
 * The thread that keeps an executor's lease: it has a connection of its own, so neither a busy handler nor a full pool
 * keeps it from renewing. It also ends the process when the main loop is stuck past a run's deadline: a lease that is
 * renewed for a process that does nothing would hold its runs for ever.
 */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { ErrorCode } from '../../core/error-codes.ts';
import { BelfryError, messageOf } from '../../core/errors.ts';
import type { Lease } from '../../core/ports/run-store.ts';
import type { Log } from '../../core/ports/log.ts';
import { SystemClock } from '../clock.ts';
import { LeaseCells } from './lease-cells.ts';
import { openPool, type PgOptions } from './pool.ts';
import { PostgresRunStore } from './run-store.ts';

export type LeaseWorkerData = {
  pg: Omit<PgOptions, 'log' | 'max' | 'applicationName'>;
  lease: Lease;
  lengthMs: number;
  shared: SharedArrayBuffer;
};
export type LeaseWorkerMessage =
  | { kind: 'opened' }
  | { kind: 'failed'; code: ErrorCode; message: string; retryable: boolean }
  | { kind: 'lost' }
  | { kind: 'closed' }
  | { kind: 'warning'; message: string; fields: object };

/** Shorter than the renewal's turn and its repetition together, so that one hanging statement does not cost the lease. */
const STATEMENT_TIMEOUT_MS = 1_000;
const CHECK_EVERY_MS = 500;
const ADVERTISE_WITHIN_MS = 100;
/** How long the main loop may be silent past a deadline. */
const STUCK_AFTER_MS = 10_000;

const { pg: pgOptions, lease, lengthMs, shared } = workerData as LeaseWorkerData;
const tell = (message: LeaseWorkerMessage): void => parentPort?.postMessage(message);
const warn = (fields: object, message: string): void =>
  tell({ kind: 'warning', message, fields: { reason: messageOf((fields as { err?: unknown }).err) } });
const log: Log = { debug: () => undefined, info: () => undefined, warn, error: warn, child: () => log };

const clock = new SystemClock();
const cells = new LeaseCells(shared);
const pg = openPool({
  ...pgOptions,
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  max: 1,
  applicationName: 'belfry-lease',
  log,
});
const store = new PostgresRunStore(pg, clock);
const closing = new AbortController();

parentPort?.on('message', () => closing.abort());
void main();

async function main(): Promise<void> {
  try {
    const askedAt = clock.steady();
    await store.openLease(lease, lengthMs);
    cells.set('heldSince', askedAt);
    cells.set('renewedAt', askedAt);
    tell({ kind: 'opened' });
  } catch (error) {
    const retryable = error instanceof BelfryError && error.retryable;
    return tell({
      kind: 'failed',
      code: error instanceof BelfryError ? error.code : 'store_error',
      message: messageOf(error),
      retryable,
    });
  }
  watch();
  if (await renewUntilClosed()) {
    await store
      .closeLease(lease.executor)
      .catch((error: unknown) => warn({ err: error }, 'the lease was not closed, it will run out'));
    tell({ kind: 'closed' });
  } else {
    tell({ kind: 'lost' });
  }
}

/** @returns true when it was closed, false when the lease was found dead */
async function renewUntilClosed(): Promise<boolean> {
  for (let advertised = 0; ;) {
    await turn(advertised);
    if (closing.signal.aborted) return true;
    const askedAt = clock.steady();
    advertised = cells.get('free');
    try {
      if (!(await store.renewLease(lease.executor, lengthMs, advertised))) return false;
      if (askedAt > cells.get('renewedAt') + lengthMs) cells.set('heldSince', askedAt);
      cells.set('renewedAt', askedAt);
    } catch (error) {
      warn({ err: error }, 'renewing the lease failed');
    }
  }
}

/** Until the next renewal is due; shortened when others, who saw no free slot here, can be told of one. */
async function turn(advertised: number): Promise<void> {
  if (advertised > 0) return clock.sleep(lengthMs / 4, closing.signal);
  for (const endAt = clock.steady() + lengthMs / 4; clock.steady() < endAt && !closing.signal.aborted;) {
    await clock.sleep(ADVERTISE_WITHIN_MS, closing.signal);
    if (cells.get('free') > 0) return;
  }
}

/** Counts silence in its own turns, so that a machine that was asleep is not taken for a stuck loop. */
function watch(silentTurns = 0, lastReport = 0): void {
  const report = cells.get('reports');
  const silent = report === lastReport ? silentTurns + 1 : 0;
  const deadlineAt = cells.get('deadlineAt');
  const overdue = deadlineAt > 0 && clock.steady() > deadlineAt + STUCK_AFTER_MS;
  if (overdue && silent * CHECK_EVERY_MS >= STUCK_AFTER_MS) {
    writeSync(
      2,
      `{"level":"fatal","msg":"a handler blocks the event loop past its run's timeout: the executor ends itself","executor":"${lease.executor}"}\n`,
    );
    process.kill(process.pid, 'SIGKILL');
  }
  if (!closing.signal.aborted) clock.after(CHECK_EVERY_MS, () => watch(silent, report));
}
