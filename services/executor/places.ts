/**
 * The places that runs need under limits that hold over the whole deployment.
 *
 * Invariants: a run with limits starts only with a place under each, taken before its claim; a place is kept as long as the
 * slot, and given back with it. Every admission has a ticket of its own, so that a giving back that comes late cannot take
 * the place of the run's next attempt. What has no place is parked by the very statement that refuses it: whoever gives a
 * place back afterwards finds it there. A run without limits passes here without a request, and none passes before the limits
 * of tenants were read once.
 */
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Admitted, Limit, RunStore } from '../core/ports/run-store.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import { limitsOfHandlers, limitsOfTenant } from '../core/tenant-limits.ts';
import type { Incarnation } from './incarnation.ts';
import type { Task } from './task.ts';
import { untilKnown } from './until-known.ts';

const LARGEST_BATCH = 500;
const READ_EVERY_MS = 2_000;
const NONE: readonly Limit[] = [];

export type PlacesDeps = {
  store: RunStore;
  clock: Clock;
  log: Log;
  ids: Ids;
  /** Limits of tenants; without them nobody has any. */
  tenants?: Tenants;
  /** Others may take their turn now: they are handed over. */
  onWoken: () => void;
  onFatal: (error: unknown) => void;
  goOn: () => boolean;
};

/** What becomes of tasks whose slots are taken. */
export type Split = {
  /** To be claimed; those that are not `placed` only to see what their rows say. */
  toClaim: Task[];
  /** Others are about to start them, or died before: they are looked at again. */
  held: Task[];
  /** Parked, and nobody's. */
  waiting: Task[];
};

type TenantLimits = { all: readonly Limit[]; handlers: ReadonlyMap<string, Limit> };

export class Places {
  private readonly deps: PlacesDeps;
  /** Of tenants that have limits; up to READ_EVERY_MS old. */
  private ofTenants: ReadonlyMap<string, TenantLimits> = new Map();
  private readAt = -Infinity;
  private leaving: string[] = [];
  private underWay = 0;
  private busy = false;

  constructor(deps: PlacesDeps) {
    this.deps = deps;
  }

  /** @throws what the store throws; undefined: the incarnation died before the answer was known */
  async admit(incarnation: Incarnation, tasks: readonly Task[]): Promise<Split | undefined> {
    if (!(await this.areKnown(incarnation))) return undefined;
    const limited = tasks.flatMap((task) => {
      // What is claimed only to come to its end takes nobody's place.
      const limits = task.endAs === null ? this.limitsOf(task) : NONE;
      return limits.length === 0 ? [] : [{ task, limits }];
    });
    if (limited.length === 0) return { toClaim: [...tasks], held: [], waiting: [] };
    const { store, ids } = this.deps;
    const admissions = limited.map(({ task, limits }) => {
      task.ticket ??= ids.uuid();
      const { due, handler, nonce, ticket, parked } = task;
      return { due, handler, nonce, ticket, parked, limits };
    });
    const answers = await untilKnown(
      this.deps,
      'asking for places',
      () => store.admit(incarnation.lease, admissions),
      () => incarnation.alive,
    );
    if (answers === undefined) return undefined;
    const outcomes = new Map(limited.map(({ task }, index) => [task, answers[index] as Admitted]));
    for (const [task, outcome] of outcomes) task.mayStart = outcome === 'placed';
    const byOutcome = Map.groupBy(tasks, (task) => outcomes.get(task) ?? 'placed');
    const those = (outcome: Admitted): Task[] => byOutcome.get(outcome) ?? [];
    return { toClaim: [...those('placed'), ...those('known')], held: those('held'), waiting: those('waits') };
  }

  /** Reads the tenants' limits, and wakes whom the end of a second lets start. */
  async refresh(): Promise<void> {
    const { tenants, store, clock } = this.deps;
    if (tenants === undefined) return;
    if (clock.now() - this.readAt >= READ_EVERY_MS) await this.read(tenants);
    const isAnyRated = this.ofTenants.values().some(({ all }) => all.some(({ perSecond }) => perSecond));
    if (isAnyRated && (await store.wakeWaiting()) > 0) this.deps.onWoken();
  }

  /** Its slot is free again, and so are its places. */
  leave(task: Task): void {
    if (task.ticket === null) return;
    this.leaving.push(task.ticket);
    task.ticket = null;
    task.mayStart = true;
    if (!this.busy) this.drain().catch(this.deps.onFatal);
  }

  /** Places that are still to be given back. */
  get pending(): number {
    return this.leaving.length + this.underWay;
  }

  /** Until the limits were read once, whose runs have any is not known. @returns false: the incarnation died meanwhile */
  private async areKnown(incarnation: Incarnation): Promise<boolean> {
    const { tenants } = this.deps;
    if (tenants === undefined || this.readAt > -Infinity) return true;
    const read = (): Promise<true> => this.read(tenants).then(() => true);
    return (await untilKnown(this.deps, 'reading limits', read, () => incarnation.alive)) ?? false;
  }

  private async read(tenants: Tenants): Promise<void> {
    const now = this.deps.clock.now();
    const limited = (await tenants.list()).map((each) => {
      const { tenant } = each;
      return [tenant, { all: limitsOfTenant(tenant, each), handlers: limitsOfHandlers(tenant, each) }] as const;
    });
    this.ofTenants = new Map(limited.filter(([, { all, handlers }]) => all.length + handlers.size > 0));
    this.readAt = now;
  }

  /** What must have room for this run to start. */
  private limitsOf({ handler, due: { tenant, concurrencyKey } }: Task): readonly Limit[] {
    const ofTenant = this.ofTenants.get(tenant);
    const ofHandler = ofTenant?.handlers.get(handler);
    const shared = ofTenant?.all ?? NONE;
    if (concurrencyKey === undefined && ofHandler === undefined) return shared;
    const ofKey = concurrencyKey && { name: `key/${tenant}/${concurrencyKey.key}`, most: concurrencyKey.limit };
    return [...shared, ...(ofHandler ? [ofHandler] : []), ...(ofKey ? [ofKey] : [])];
  }

  private async drain(): Promise<void> {
    this.busy = true;
    const { store, goOn, onWoken } = this.deps;
    while (this.leaving.length > 0 && goOn()) {
      const batch = this.leaving.splice(0, LARGEST_BATCH);
      this.underWay = batch.length;
      const woken = await untilKnown(this.deps, 'giving places back', () => store.leave(batch), goOn);
      this.underWay = 0;
      if ((woken ?? 0) > 0) onWoken();
    }
    this.busy = false;
  }
}
