/**
 * Keeps an executor's lease alive while its main loop is busy. The real one (`adapters/postgres/lease-thread`) renews
 * from a thread of its own with a connection of its own; `executor/lease.ts` has one for tests and the simulation.
 */
import type { Lease } from './run-store.ts';

export interface LeaseKeeper {
  /**
   * Makes the lease and renews it until it is closed or lost.
   * @param lengthMs length of the lease; it is renewed four times in that
   * @param onLost called once when a renewal was refused: the lease is dead, others may have taken over
   * @throws BelfryError `store_unavailable` (retryable) when it could not be made; then nothing is left running
   */
  open(lease: Lease, lengthMs: number, onLost: () => void): Promise<LeaseHold>;
}

/** All but `close` are synchronous and cheap. */
export interface LeaseHold {
  /** Ms until the lease runs out by what is known here; 0 or less: others may take over any moment. */
  remainingMs(): number;
  /** Ms for which it has been held without a gap (a renewal that came after its end starts anew). */
  heldMs(): number;
  /** @param free slots to advertise @param deadlineMs ms until the earliest deadline of a run; null: nothing runs. Also says that the main loop lives. */
  report(free: number, deadlineMs: number | null): void;
  /** Stops renewing and gives the lease up. */
  close(): Promise<void>;
}
