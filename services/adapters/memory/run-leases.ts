/** Leases in memory. Invariant: dead is final. A lease that is not there counts as dead. */
import type { Lease, LeaseState } from '../../core/ports/run-store.ts';
import type { MemoryDatabase } from './database.ts';

export class MemoryLeases {
  private readonly db: MemoryDatabase;

  constructor(db: MemoryDatabase) {
    this.db = db;
  }

  /** Marked dead, or not there; not merely run out. */
  isDead(executor: string | null): boolean {
    return executor === null || (this.db.leases.get(executor)?.dead ?? true);
  }

  /** Neither dead nor past its end. */
  isAlive(executor: string | null): boolean {
    if (executor === null || this.isDead(executor)) return false;
    return (this.db.leases.get(executor)?.expiresAt ?? 0) > this.db.now();
  }

  /** Whether some lease of the queue had this handler alive at `since` (ms) or later. */
  hadHandlerSince(queue: string, handler: string, since: number): boolean {
    return [...this.db.leases.values()].some(
      ({ lease, expiresAt }) => lease.queue === queue && lease.handlers.includes(handler) && expiresAt > since,
    );
  }

  open(lease: Lease, lengthMs: number): void {
    const now = this.db.now();
    const expiresAt = now + lengthMs;
    const present = this.db.leases.get(lease.executor);
    if (present === undefined) {
      this.db.leases.set(lease.executor, { lease, expiresAt, takenAt: now, renewedAt: now, dead: false, free: 0 });
    } else if (!present.dead) {
      present.expiresAt = expiresAt;
    }
  }

  renew(executor: string, lengthMs: number, free: number): boolean {
    const entry = this.db.leases.get(executor);
    if (entry === undefined || entry.dead) return false;
    const now = this.db.now();
    if (entry.expiresAt <= now) entry.takenAt = now;
    Object.assign(entry, { expiresAt: now + lengthMs, renewedAt: now, free });
    return true;
  }

  markDead(executors: readonly string[]): { executor: string; transactionalId: string }[] {
    const now = this.db.now();
    return executors.flatMap((executor) => {
      const entry = this.db.leases.get(executor);
      if (entry === undefined || entry.dead || entry.expiresAt > now) return [];
      entry.dead = true;
      return [{ executor, transactionalId: entry.lease.transactionalId }];
    });
  }

  close(executor: string): void {
    const entry = this.db.leases.get(executor);
    if (entry === undefined || entry.dead) return;
    Object.assign(entry, { dead: true, free: 0, expiresAt: Math.min(entry.expiresAt, this.db.now()) });
  }

  states(): LeaseState[] {
    const now = this.db.now();
    return [...this.db.leases.values()]
      .filter(({ dead }) => !dead)
      .map(({ lease: { executor, worker, transactionalId, handlers, queue }, expiresAt, takenAt, free }) => ({
        ...{ executor, worker, transactionalId, alive: expiresAt > now, ageMs: now - takenAt, free, handlers, queue },
      }));
  }
}
