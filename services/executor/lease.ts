/** Keeps leases from the main loop: for tests, the simulation, and wherever no thread is wanted. */
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { LeaseHold, LeaseKeeper } from '../core/ports/lease-keeper.ts';
import type { Log } from '../core/ports/log.ts';
import type { Lease, RunStore } from '../core/ports/run-store.ts';
import { repeat } from './repeat.ts';

export class LoopLeaseKeeper implements LeaseKeeper {
  private readonly deps: { store: RunStore; clock: Clock; log: Log };

  constructor(deps: LoopLeaseKeeper['deps']) {
    this.deps = deps;
  }

  async open(lease: Lease, lengthMs: number, onLost: () => void): Promise<LeaseHold> {
    const { store, clock, log } = this.deps;
    const askedAt = clock.now();
    await store.openLease(lease, lengthMs);
    let endsAt = askedAt + lengthMs;
    let heldSince = askedAt;
    let free = 0;
    let advertised = 0;
    let open = true;
    const renew = async (): Promise<void> => {
      const renewedAt = clock.now();
      advertised = free;
      const alive = await store.renewLease(lease.executor, lengthMs, advertised);
      if (!open) return;
      if (alive) {
        if (renewedAt > endsAt) heldSince = renewedAt;
        endsAt = renewedAt + lengthMs;
      } else {
        open = false;
        void renewal.stop();
        onLost();
      }
    };
    const renewal = repeat(this.deps, 'renewing the lease', lengthMs / 4, renew);
    return {
      remainingMs: () => (open ? endsAt - clock.now() : 0),
      heldMs: () => clock.now() - heldSince,
      report: (slots) => {
        free = slots;
        // Others wait for a free slot: they hear of the first one at once.
        if (advertised === 0 && free > 0) renewal.wake();
      },
      close: async () => {
        open = false;
        void renewal.stop();
        try {
          await store.closeLease(lease.executor);
        } catch (error) {
          if (!(error instanceof BelfryError) || !error.retryable) throw error;
          log.warn({ executor: lease.executor, reason: messageOf(error) }, 'the lease was not closed, it will run out');
        }
      },
    };
  }
}
