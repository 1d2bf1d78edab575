/**
 * Runs that no Kafka offset holds: hands over what waits here while others are free, detaches what runs long, takes what
 * was handed over, and cleans up after the dead.
 *
 * Invariant: an offset is let go only after the row of `parked` is known to be written, and that row goes only after the
 * end of the attempt was published. In between, whoever finds the row brings the run to its end.
 */
import { bisect } from '../core/bisect.ts';
import { isBadData, messageOf } from '../core/errors.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ParkedRun, ParkKind, RunStore } from '../core/ports/run-store.ts';
import type { Backlog } from './backlog.ts';
import type { HandlerRegistry } from './handlers/handler.ts';
import { LEASE_MS, type Incarnation, type Incarnations } from './incarnation.ts';
import type { Undertaker } from './dead-leases.ts';
import type { ExecutorMetrics } from './metrics.ts';
import { HANDLER_NOT_FOUND } from './outcome.ts';
import type { Verdict } from './run.ts';
import type { Slots } from './slots.ts';
import { Task } from './task.ts';
import { untilKnown } from './until-known.ts';

const PATIENCE_MS = 500;
const ORPHAN_AFTER_MS = 5 * 60_000;
/** Runs that a sweep takes only to end them. */
const ENDED_AT_ONCE = 100;
const CANCELLED: Verdict = { kind: 'cancelled' };

export type ParkingDeps = {
  store: RunStore;
  clock: Clock;
  ids: Ids;
  log: Log;
  metrics: ExecutorMetrics;
  backlog: Backlog;
  slots: Slots;
  handlers: HandlerRegistry;
  incarnations: Incarnations;
  undertaker: Undertaker;
  queue: string;
  /** The store refuses the record itself: it ends here. */
  refuse: (task: Task, reason: string) => void;
  /** Offsets were let go. */
  onReleased: () => void;
  onFatal: (error: unknown) => void;
  goOn: () => boolean;
};

export class Parking {
  private readonly deps: ParkingDeps;
  /** Tasks of handlers that this executor has not, to be handed over with the next write. */
  private strangers: Task[] = [];
  /** Rows being written. */
  private writing = 0;
  private busy = false;
  /** Attempts whose row is still to be removed. */
  private readonly leaving = new Set<Task>();

  constructor(deps: ParkingDeps) {
    this.deps = deps;
  }

  /** This executor has no handler for it: somebody else may. */
  handOver(task: Task): void {
    this.strangers.push(task);
    if (!this.busy) this.handOverStrangers().catch(this.deps.onFatal);
  }

  /** Hands over as much of what has waited too long as others have free slots for. */
  async relieve(): Promise<void> {
    const { backlog, clock, store, incarnations, queue } = this.deps;
    const since = clock.now() - PATIENCE_MS;
    const overdue = (task: Task): boolean =>
      task.waitingSince <= since && task.looks === 0 && !task.parked && task.mine;
    const me = incarnations.claiming?.lease.executor;
    if (me === undefined || !backlog.someReady(overdue)) return;
    const others = (await store.leases()).filter((each) => each.alive && each.executor !== me && each.queue === queue);
    const room = others.map(({ handlers, free }) => ({ handlers, free }));
    const chosen = backlog.withdraw((task) => {
      const taker = overdue(task)
        ? room.find((each) => each.free > 0 && each.handlers.includes(task.handler))
        : undefined;
      if (taker !== undefined) taker.free--;
      return taker !== undefined;
    });
    if (chosen.length > 0) this.gone(await this.park(chosen, 'handed_over'));
  }

  /** The runs go on here, but no offset waits for them. */
  async detach(tasks: readonly Task[]): Promise<void> {
    const held = tasks.filter((task) => !task.parked && task.parking === null && task.mine);
    if (held.length === 0 || this.deps.incarnations.current === undefined) return;
    const parking = this.park(held, 'detached');
    for (const task of held) task.parking = parking;
    const parked = await parking;
    for (const task of parked) {
      task.parked = true;
      task.release();
    }
    if (parked.length === 0) return;
    this.deps.metrics.detached(parked.length);
    this.deps.onReleased();
  }

  /**
   * Takes runs that others handed over, as many as there are slots for.
   * @param thorough also finds those that an earlier call took but whose answer was lost
   * @returns whether some were found: there may be more
   */
  async take(thorough: boolean): Promise<boolean> {
    const { store, backlog, incarnations } = this.deps;
    const incarnation = incarnations.claiming;
    const wanted = this.wanted();
    if (incarnation === undefined || wanted.limit <= 0) return false;
    const held = thorough ? [...backlog.parkedRunIds(), ...[...this.leaving].map((task) => task.due.runId)] : undefined;
    const taken = await store.takeParked(incarnation.lease, wanted.limit, held, wanted.exceptTenants);
    for (const run of taken) this.admit(run, incarnation);
    return taken.length > 0;
  }

  /** What the dead left behind becomes free; what nobody has a handler for, or waits though it was cancelled, comes to its end. */
  async sweep(): Promise<void> {
    const { store, incarnations, undertaker } = this.deps;
    const incarnation = incarnations.claiming;
    if (incarnation === undefined || incarnation.hold.heldMs() < LEASE_MS) return;
    const dead = (await store.leases()).filter((each) => !each.alive);
    await undertaker.bury(dead.map((each) => each.executor));
    await store.releaseParkedOfDead();
    await store.wakeWaiting();
    const { lease } = incarnation;
    this.endAs(HANDLER_NOT_FOUND, await store.takeOrphans(lease, ORPHAN_AFTER_MS, ENDED_AT_ONCE));
    this.endAs(CANCELLED, await store.takeCancelled(lease, ENDED_AT_ONCE));
  }

  /** Their end is published: their rows can go. */
  unpark(tasks: readonly Task[]): void {
    const parked = tasks.filter((task) => task.parked || task.parking !== null);
    if (parked.length > 0) this.remove(parked).catch(this.deps.onFatal);
  }

  /** At the end of this executor: what it took but will not run is anybody's again. */
  async giveBack(tasks: readonly Task[]): Promise<void> {
    if (tasks.length > 0) await this.park(tasks, 'handed_over');
    for (const task of tasks) this.deps.backlog.forget(task);
  }

  /** Rows still to be written or removed. */
  get pending(): number {
    return this.writing + this.leaving.size + this.strangers.length;
  }

  /** As many as any tenant's could start now, or else those that could of tenants below their share. */
  private wanted(): { limit: number; exceptTenants: string[] } {
    const { slots, backlog } = this.deps;
    const limit = slots.free - backlog.ready;
    if (limit > 0) return { limit, exceptTenants: [] };
    const ready = backlog.readyByTenant();
    const share = slots.shareAmong(ready.keys());
    const tenants = [...new Set([...ready.keys(), ...slots.tenants()])];
    const exceptTenants = tenants.filter((tenant) => slots.heldBy(tenant) + (ready.get(tenant) ?? 0) >= share);
    return { limit: slots.room, exceptTenants };
  }

  private admit(run: ParkedRun, incarnation: Incarnation): void {
    const task = parkedTask(run, this.deps.ids.uuid());
    const known = this.deps.backlog.find(task.key);
    if (known !== undefined) {
      // In hand already, by an offset: the row holds it now, too.
      known.parked = true;
      known.release();
      this.deps.onReleased();
    } else if (!this.deps.handlers.has(task.handler)) {
      // Taken as an orphan, and the answer was lost.
      this.handOver(task);
    } else if (incarnation.alive) {
      this.deps.backlog.admit(task, null);
    }
  }

  private endAs(verdict: Verdict, runs: readonly ParkedRun[]): void {
    const { ids, backlog } = this.deps;
    for (const run of runs) {
      const task = parkedTask(run, ids.uuid());
      task.endAs = verdict;
      if (backlog.find(task.key) === undefined) backlog.admit(task, null);
    }
  }

  private async handOverStrangers(): Promise<void> {
    this.busy = true;
    while (this.strangers.length > 0) {
      const batch = this.strangers.slice(0, 500);
      const parked = await this.park(batch, 'handed_over');
      this.strangers.splice(0, batch.length);
      this.gone(parked);
    }
    this.busy = false;
  }

  /** They are handed over: not this executor's any more. */
  private gone(tasks: readonly Task[]): void {
    for (const task of tasks) {
      task.release();
      this.deps.backlog.forget(task);
    }
    if (tasks.length === 0) return;
    this.deps.metrics.handedOver(tasks.length);
    this.deps.onReleased();
  }

  private async remove(tasks: readonly Task[]): Promise<void> {
    for (const task of tasks) this.leaving.add(task);
    await Promise.all(tasks.flatMap((task) => task.parking ?? []));
    await untilKnown(
      this.deps,
      'unparking',
      () => this.deps.store.unpark(tasks.map((task) => task.due)),
      this.deps.goOn,
    );
    for (const task of tasks) this.leaving.delete(task);
  }

  /** @returns those whose rows are known to be written */
  private async park(tasks: readonly Task[], kind: ParkKind): Promise<Task[]> {
    const parked: Task[] = [];
    this.writing += tasks.length;
    try {
      await bisect(tasks, {
        work: async (some) => {
          if (await this.write(some, kind)) parked.push(...some);
        },
        isRefusal: isBadData,
        onRefused: (task, error) => this.refused(task, kind, error),
      });
    } finally {
      this.writing -= tasks.length;
    }
    return parked;
  }

  /** @returns undefined: whether it was written is not known */
  private write(tasks: readonly Task[], kind: ParkKind): Promise<true | undefined> {
    const { clock, store, queue, incarnations, goOn } = this.deps;
    const executor = kind === 'detached' ? (incarnations.current?.lease.executor ?? null) : null;
    const entries = tasks.map(({ due, handler }) => ({
      runId: due.runId,
      kind,
      executor,
      queue,
      priority: due.priority,
      handler,
      due,
      parkedAt: clock.now(),
    }));
    return untilKnown(this.deps, 'parking', () => store.park(entries).then(() => true), goOn);
  }

  /** What runs goes on, held by its offset as before; what was to be somebody else's ends here. */
  private refused(task: Task, kind: ParkKind, error: unknown): void {
    const fields = { runId: task.due.runId, reason: messageOf(error) };
    this.deps.log.error(fields, 'the database refuses to park a run');
    if (kind !== 'detached') this.deps.refuse(task, 'the database refuses the due record');
  }
}

function parkedTask(run: ParkedRun, nonce: string): Task {
  const task = new Task(run.due, nonce, null);
  task.parked = true;
  return task;
}
