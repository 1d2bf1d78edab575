/** Keeps leases from a thread of its own (`lease-worker.ts`); a new thread for each. */
import { Worker } from 'node:worker_threads';
import { BelfryError } from '../../core/errors.ts';
import type { LeaseHold, LeaseKeeper } from '../../core/ports/lease-keeper.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Lease } from '../../core/ports/run-store.ts';
import type { SystemClock } from '../clock.ts';
import { LeaseCells } from './lease-cells.ts';
import type { LeaseWorkerData, LeaseWorkerMessage } from './lease-worker.ts';

const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './lease-worker.ts' : './lease-worker.js', import.meta.url);
const CLOSE_WITHIN_MS = 3_000;

export type LeaseThreadOptions = {
  /** The connection of the thread; `lockTimeoutMs` and the like as in `openPool`. */
  pg: LeaseWorkerData['pg'];
  clock: SystemClock;
  log: Log;
};

export class LeaseThread implements LeaseKeeper {
  private readonly options: LeaseThreadOptions;

  constructor(options: LeaseThreadOptions) {
    this.options = options;
  }

  async open(lease: Lease, lengthMs: number, onLost: () => void): Promise<LeaseHold> {
    const { pg, clock, log } = this.options;
    const cells = new LeaseCells();
    const worker = new Worker(ENTRY, {
      workerData: { pg, lease, lengthMs, shared: cells.shared } satisfies LeaseWorkerData,
    });
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    let state: 'opening' | 'held' | 'over' = 'opening';
    const end = (failure: BelfryError): void => {
      const before = state;
      state = 'over';
      closed.resolve();
      opened.reject(failure);
      void worker.terminate();
      if (before === 'held') onLost();
    };
    worker.on('message', (message: LeaseWorkerMessage) => {
      if (message.kind === 'warning') log.warn({ ...message.fields, executor: lease.executor }, message.message);
      else if (message.kind === 'closed') closed.resolve();
      else if (message.kind === 'lost') end(new BelfryError('lease_lost', 'the lease is dead'));
      else if (message.kind === 'failed')
        end(new BelfryError(message.code, message.message, { retryable: message.retryable }));
      else {
        state = 'held';
        opened.resolve();
      }
    });
    worker.on('error', (error: Error) => {
      log.error({ executor: lease.executor, reason: error.message }, "the lease's thread failed");
      end(new BelfryError('store_unavailable', error.message, { retryable: true, cause: error }));
    });
    worker.on('exit', () => end(new BelfryError('store_unavailable', "the lease's thread ended", { retryable: true })));
    await opened.promise;
    worker.unref();
    return {
      remainingMs: () => (state === 'held' ? cells.get('renewedAt') + lengthMs - clock.steady() : 0),
      heldMs: () => clock.steady() - cells.get('heldSince'),
      report: (free, deadlineMs) => {
        cells.set('free', free);
        cells.set('deadlineAt', deadlineMs === null ? 0 : clock.steady() + deadlineMs);
        cells.set('reports', cells.get('reports') + 1);
      },
      close: async () => {
        if (state === 'held') {
          worker.ref();
          worker.postMessage('close');
          state = 'over';
          await Promise.race([closed.promise, clock.sleep(CLOSE_WITHIN_MS)]);
        }
        await worker.terminate();
      },
    };
  }
}
