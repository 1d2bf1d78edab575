/**
 * Claims runs for free slots, in batches, and does with each what the claim table (`core/claim.ts`) says.
 *
 * Invariants: a slot is taken before the claim, so that nothing is claimed that cannot start at once; a claim whose answer
 * was lost is repeated with the same nonce until it is known.
 */
import { bisect } from '../core/bisect.ts';
import { claimAction, type ClaimAction } from '../core/claim.ts';
import { BelfryError, isBadData, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { RunRow, RunStore } from '../core/ports/run-store.ts';
import type { Backlog } from './backlog.ts';
import type { Undertaker } from './dead-leases.ts';
import type { Incarnation, Incarnations } from './incarnation.ts';
import { LEASE_MS } from './incarnation.ts';
import type { ExecutorMetrics } from './metrics.ts';
import { LOST } from './outcome.ts';
import type { Paces } from './paces.ts';
import type { Places } from './places.ts';
import type { Verdict } from './run.ts';
import type { Slots } from './slots.ts';
import { Starter } from './start.ts';
import type { OwnedRun, Task } from './task.ts';
import { untilKnown } from './until-known.ts';

const LARGEST_BATCH = 500;
const LOOK_AGAIN_MS = 300;
const STARTS = new Set<ClaimAction>(['run', 'reclaim', 'take_over', 'end_lost']);

export type ClaimerDeps = {
  store: RunStore;
  clock: Clock;
  log: Log;
  paces: Paces;
  metrics: ExecutorMetrics;
  backlog: Backlog;
  slots: Slots;
  incarnations: Incarnations;
  undertaker: Undertaker;
  places: Places;
  /** The task's slot is free again. */
  free: (task: Task) => void;
  /** False while so much is unsettled or unpublished that nothing should be added. */
  open: () => boolean;
  /** The run is ours and its slot taken: start it. */
  begin: (task: Task, owned: OwnedRun) => void;
  /** The run is ours and ends without having started; its slot is free again. */
  conclude: (task: Task, owned: OwnedRun, verdict: Verdict) => void;
  /** What the row says is to be published again. */
  republish: (task: Task, row: RunRow) => void;
  /** Another record, or parked row, stands for the run. */
  discard: (task: Task) => void;
  /** The store refuses the record itself. */
  refuse: (task: Task, reason: string) => void;
  /** Offsets may have moved on, or slots become free, without anything to publish. */
  onReleased: () => void;
  onFatal: (error: unknown) => void;
};

type Decision = { task: Task; row: RunRow; action: ClaimAction };

export class Claimer {
  private readonly deps: ClaimerDeps;
  private wanted = false;
  private busy = false;
  private ended: Promise<void> = Promise.resolve();
  /** Has what was claimed and has not started yet. */
  private readonly starter: Starter;
  private stopped = false;

  constructor(deps: ClaimerDeps) {
    this.deps = deps;
    this.starter = new Starter({
      ...deps,
      end: (task, owned, verdict) => this.end(task, owned, verdict),
      lookAgain: (tasks) => this.lookAgain(tasks),
    });
  }

  /** Claims as much as may start now. Call it whenever work, slots or a lease have come up. */
  pump(): void {
    this.wanted = true;
    if (this.busy || this.stopped) return;
    this.ended = this.drain().catch(this.deps.onFatal);
  }

  /** Claimed runs that wait for their time. */
  get starting(): number {
    return this.starter.pending;
  }

  /** Nothing is claimed any more once this has resolved. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.ended;
    await this.starter.stop();
  }

  private async drain(): Promise<void> {
    this.busy = true;
    await Promise.resolve(); // what is read in the same breath is claimed together
    const { backlog, slots, incarnations } = this.deps;
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      const incarnation = incarnations.claiming;
      if (incarnation === undefined || !this.deps.open()) break;
      const limit = Math.min(slots.room, LARGEST_BATCH);
      if (limit <= 0) break;
      const share = slots.shareAmong(backlog.readyByTenant().keys());
      const rounds = [(tenant: string) => slots.isOwed(tenant, share), () => slots.free > 0];
      const tasks = backlog.take(limit, (task) => task.mine && slots.acquire(task), rounds);
      if (tasks.length === 0) break;
      await this.claim(incarnation, tasks);
      this.deps.onReleased();
      this.wanted = true;
    }
    this.busy = false;
  }

  private async claim(incarnation: Incarnation, wanted: readonly Task[]): Promise<void> {
    const toClaim: Task[] = [];
    await this.each(incarnation, wanted, async (tasks) => {
      const split = await this.deps.places.admit(incarnation, tasks);
      if (split === undefined) return this.lookAgain(tasks);
      this.lookAgain(split.held);
      for (const task of split.waiting) this.letWait(task);
      toClaim.push(...split.toClaim);
    });
    const claimed: Decision[] = [];
    await this.each(incarnation, toClaim, async (tasks) => {
      claimed.push(...(await this.claimAdmitted(incarnation, tasks)));
    });
    await this.carryOut(incarnation, claimed);
  }

  /** Asks the store for tasks whose slots are taken. What it refuses goes its own way, the others go on. */
  private async each(
    incarnation: Incarnation,
    all: readonly Task[],
    ask: (tasks: readonly Task[]) => Promise<void>,
  ): Promise<void> {
    const work = async (tasks: readonly Task[]): Promise<void> => {
      try {
        await ask(tasks);
      } catch (error) {
        if (!(error instanceof BelfryError) || error.code !== 'lease_lost') throw error;
        this.lookAgain(tasks);
        this.deps.incarnations.died(incarnation.lease.executor, 'a claim found its lease dead');
      }
    };
    await bisect(all, { work, isRefusal: isBadData, onRefused: (task, error) => this.refuse(task, error) });
  }

  private async claimAdmitted(incarnation: Incarnation, tasks: readonly Task[]): Promise<Decision[]> {
    const requests = tasks.map(({ due, nonce }) => ({ due, nonce }));
    const claims = await untilKnown(
      this.deps,
      'claiming',
      () => this.deps.store.claim(incarnation.lease, requests),
      () => incarnation.alive,
    );
    if (claims === undefined) {
      this.lookAgain(tasks);
      return [];
    }
    const rows = new Map(claims.map((claim) => [claim.runId, claim.row]));
    return tasks.map((task) => decide(task, rows.get(task.due.runId), incarnation));
  }

  private async carryOut(incarnation: Incarnation, all: readonly Decision[]): Promise<void> {
    if (all.length === 0) return;
    const decisions = all.filter(({ task, action }) => task.mayStart || !STARTS.has(action));
    this.lookAgain(all.filter((each) => !decisions.includes(each)).map(({ task }) => task));
    const own = decisions.filter(({ action }) => action === 'run');
    for (const { task, row, action } of decisions) this.letGo(task, row, action);
    this.startSoon(incarnation, own);
    const reclaimed = await this.reclaim(incarnation, decisions);
    this.startSoon(incarnation, reclaimed);
  }

  /** The next batch is claimed while this one waits for its time; their slots are taken, so that there are never too many. */
  private startSoon(incarnation: Incarnation, claimed: readonly Decision[]): void {
    this.starter.add(claimed.map(({ task, row }) => ({ task, owned: { incarnation, token: row.token, row } })));
  }

  /** Takes the runs that wait, and those whose worker is lost, by compare-and-set; answers those that it got to start. */
  private async reclaim(incarnation: Incarnation, decisions: readonly Decision[]): Promise<Decision[]> {
    const lost = decisions.filter(({ action }) => action === 'take_over' || action === 'end_lost');
    const mayTakeOver = lost.length > 0 && incarnation.hold.heldMs() >= LEASE_MS;
    if (mayTakeOver) await this.deps.undertaker.bury(lost.flatMap(({ row }) => row.executor ?? []));
    const wanted = decisions.filter((each) => each.action === 'reclaim' || (mayTakeOver && lost.includes(each)));
    this.lookAgain(lost.filter((each) => !wanted.includes(each)).map(({ task }) => task));
    const started: Decision[] = [];
    await bisect(wanted, {
      work: async (some) => {
        const rows = await this.compareAndSet(incarnation, some, lost);
        for (const decision of some)
          started.push(...this.taken(incarnation, decision, rows.get(decision.task.due.runId)));
      },
      isRefusal: isBadData,
      onRefused: ({ task }, error) => this.refuse(task, error),
    });
    return started;
  }

  /** Whether this executor got it to start: one or none. */
  private taken(incarnation: Incarnation, { task, action }: Decision, row: RunRow | undefined): Decision[] {
    if (row === undefined) this.lookAgain([task]);
    if (row === undefined) return [];
    if (action === 'take_over') this.deps.metrics.takenOver(1);
    if (action !== 'end_lost') return [{ task, row, action }];
    this.end(task, { incarnation, token: row.token, row }, LOST);
    return [];
  }

  private async compareAndSet(
    incarnation: Incarnation,
    wanted: readonly Decision[],
    lost: readonly Decision[],
  ): Promise<ReadonlyMap<string, RunRow>> {
    const requests = wanted.map((each) => ({
      due: each.task.due,
      nonce: each.task.nonce,
      expectedToken: each.row.token,
      lostAttempt: lost.includes(each),
    }));
    const taken = await untilKnown(
      this.deps,
      'claiming again',
      () => this.deps.store.reclaim(incarnation.lease, requests),
      () => incarnation.alive,
    );
    return new Map((taken ?? []).map((row) => [row.runId, row]));
  }

  private end(task: Task, owned: OwnedRun, verdict: Verdict): void {
    this.deps.free(task);
    this.deps.conclude(task, owned, verdict);
  }

  /** Records that need no slot. */
  private letGo(task: Task, row: RunRow, action: ClaimAction): void {
    switch (action) {
      case 'run':
      case 'reclaim':
      case 'take_over':
      case 'end_lost':
        return;
      case 'publish_retry':
      case 'publish_outcome':
        this.deps.free(task);
        return this.deps.republish(task, row);
      case 'hold':
        return this.lookAgain([task]);
      case 'leave_parked':
        // Unless that very row was taken by this executor meanwhile: then it is this task that stands for the run.
        if (task.parked) return this.lookAgain([task]);
        this.deps.free(task);
        return this.deps.discard(task);
      case 'drop':
        this.deps.free(task);
        return this.deps.discard(task);
    }
  }

  /** Its turn comes under a limit: the row in `parked` stands for it from here on. */
  private letWait(task: Task): void {
    this.deps.free(task);
    this.deps.backlog.forget(task);
    task.release();
  }

  private lookAgain(tasks: readonly Task[]): void {
    for (const task of tasks) {
      this.deps.free(task);
      this.deps.backlog.lookAgain(task, LOOK_AGAIN_MS);
    }
  }

  /** The store refuses the record itself, by itself. */
  private refuse(task: Task, error: unknown): void {
    this.deps.log.error({ runId: task.due.runId, reason: messageOf(error) }, 'the database refuses a due record');
    this.deps.free(task);
    this.deps.refuse(task, 'the database refuses the due record');
  }
}

function decide(task: Task, row: RunRow | undefined, { lease }: Incarnation): Decision {
  if (row === undefined)
    throw new BelfryError('store_error', 'a claim was answered without its row', { ids: { runId: task.due.runId } });
  const action = claimAction({
    row,
    mine: row.executor === lease.executor,
    myNonce: row.nonce === task.nonce,
    recordAttempt: task.due.attempt,
    atMostOnce: task.due.delivery === 'at_most_once',
    fromParked: task.parked,
  });
  return { task, row, action };
}
