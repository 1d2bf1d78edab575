import type { LeaseHold, LeaseKeeper } from '../core/ports/lease-keeper.ts';
import type { RunStore } from '../core/ports/run-store.ts';

/** Longer than any test: virtual time passes in leaps, and nobody is there to take anything over. */
const LENGTH_MS = 1_000 * 365 * 86_400_000;

/** A lease that is never renewed and never lost. */
export function lastingLease(store: RunStore): LeaseKeeper {
  return {
    open: async (lease): Promise<LeaseHold> => {
      await store.openLease(lease, LENGTH_MS);
      return {
        remainingMs: () => LENGTH_MS,
        heldMs: () => LENGTH_MS,
        report: () => undefined,
        close: () => store.closeLease(lease.executor),
      };
    },
  };
}
