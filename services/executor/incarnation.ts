/**
 * The executor's identity towards the others: a lease, and the transactional id that goes with it.
 *
 * Invariant: what was claimed under a lease is settled under that lease or not at all. When a lease dies, everything
 * that runs under it is aborted and a new incarnation, with a new id, begins; it never revives the old one. That closes
 * the race between a process that was frozen and those who took its runs over.
 */
import { messageOf } from '../core/errors.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { LeaseHold, LeaseKeeper } from '../core/ports/lease-keeper.ts';
import type { Log } from '../core/ports/log.ts';
import type { Lease } from '../core/ports/run-store.ts';
import { untilKnown } from './until-known.ts';

export const LEASE_MS = 6_000;
/** Leases are watched this often; what runs is aborted so long before the end at least, since others may start it then. */
export const WATCH_EVERY_MS = 500;

export type Incarnation = { readonly lease: Lease; readonly hold: LeaseHold; alive: boolean };

/** Whether runs of this incarnation may start and go on: nobody can take them over before it is asked again. */
export function isSafe({ alive, hold }: Incarnation): boolean {
  return alive && hold.remainingMs() > WATCH_EVERY_MS;
}

export type IncarnationsDeps = {
  keeper: LeaseKeeper;
  clock: Clock;
  ids: Ids;
  log: Log;
  /** What stays the same in every lease. */
  identity: Pick<Lease, 'worker' | 'queue' | 'handlers'>;
  transactionalIdOf: (executor: string) => string;
  onBegan: () => void;
  onDied: (incarnation: Incarnation) => void;
  onFatal: (error: unknown) => void;
};

export class Incarnations {
  private readonly deps: IncarnationsDeps;
  private present: Incarnation | undefined;
  private ending = false;

  constructor(deps: IncarnationsDeps) {
    this.deps = deps;
  }

  /** The living incarnation; undefined while there is none. */
  get current(): Incarnation | undefined {
    return this.present;
  }

  /** The incarnation whose lease has not run out: it may claim. */
  get claiming(): Incarnation | undefined {
    return this.present !== undefined && this.present.hold.remainingMs() > 0 ? this.present : undefined;
  }

  /** Begins the first, or the next, incarnation; waits for the store for ever. */
  async begin(): Promise<void> {
    const executor = this.deps.ids.uuid();
    const lease = { ...this.deps.identity, executor, transactionalId: this.deps.transactionalIdOf(executor) };
    const open = (): Promise<LeaseHold> =>
      this.deps.keeper.open(lease, LEASE_MS, () => this.died(executor, 'its lease was taken'));
    const hold = await untilKnown(this.deps, 'opening the lease', open, () => !this.ending);
    if (hold === undefined) return;
    if (this.ending) return hold.close();
    this.present = { lease, hold, alive: true };
    this.deps.log.info({ executor }, 'executor is live');
    this.deps.onBegan();
  }

  /** This incarnation has been declared dead, or fenced: the next one begins. */
  died(executor: string, why: string): void {
    const dead = this.present;
    if (dead === undefined || dead.lease.executor !== executor) return;
    dead.alive = false;
    this.present = undefined;
    this.deps.log.error({ executor, why }, 'executor incarnation ended, its runs are aborted');
    this.deps.onDied(dead);
    this.replace(dead).catch(this.deps.onFatal);
  }

  /** Gives the lease up for good. */
  async close(): Promise<void> {
    this.ending = true;
    const last = this.present;
    this.present = undefined;
    if (last !== undefined) await this.giveUp(last);
  }

  private async replace(dead: Incarnation): Promise<void> {
    await this.giveUp(dead);
    if (!this.ending) await this.begin();
  }

  private async giveUp(incarnation: Incarnation): Promise<void> {
    try {
      await incarnation.hold.close();
    } catch (error) {
      this.deps.log.warn(
        { executor: incarnation.lease.executor, reason: messageOf(error) },
        'the lease was not given up, it will run out',
      );
    }
  }
}
