/**
 * Starts claimed runs when their time has come, unless their job was cancelled since they were decided.
 *
 * Invariants: nothing starts before its time, though it is claimed a little ahead; the cancel generation is read after the
 * claim's commit and after the run's time has come, so that either the cancel is seen here, or whoever cancels afterwards finds
 * a running run; nothing starts under a lease that may have run out since the claim.
 */
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { Pace } from '../core/pace.ts';
import type { RunStore } from '../core/ports/run-store.ts';
import { isSafe, type Incarnation } from './incarnation.ts';
import type { Paces } from './paces.ts';
import type { Verdict } from './run.ts';
import type { OwnedRun, Task } from './task.ts';
import { untilKnown } from './until-known.ts';

const LOOK_AGAIN_MS = 300;

export type StarterDeps = {
  store: RunStore;
  clock: Clock;
  log: Log;
  paces: Paces;
  /** The run's slot is taken: start it. */
  begin: (task: Task, owned: OwnedRun) => void;
  /** The run ends without having started. */
  end: (task: Task, owned: OwnedRun, verdict: Verdict) => void;
  /** Whether these runs are still to be started here must be asked again. */
  lookAgain: (tasks: readonly Task[]) => void;
  onFatal: (error: unknown) => void;
};

type Claimed = { task: Task; owned: OwnedRun };

export class Starter {
  private readonly deps: StarterDeps;
  private readonly pace: Pace;
  private waiting: Claimed[] = [];
  private underWay = 0;
  private busy = false;
  private stopped = false;
  private cancelTurn = (): void => undefined;
  private onIdle: (() => void) | undefined;

  constructor(deps: StarterDeps) {
    this.deps = deps;
    this.pace = new Pace(deps.clock, deps.paces.startMs);
  }

  add(claimed: readonly Claimed[]): void {
    this.waiting.push(...claimed);
    this.arrange();
  }

  /** Claimed, not started yet. */
  get pending(): number {
    return this.waiting.length + this.underWay;
  }

  /** Resolves when nothing waits here any more; nothing may be added afterwards. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (!this.busy && this.waiting.length === 0) return;
    await new Promise<void>((resolve) => (this.onIdle = resolve));
  }

  /** Sees to it that the next turn comes when the first run is due. */
  private arrange(): void {
    if (this.busy) return;
    this.cancelTurn();
    if (this.waiting.length === 0) return this.onIdle?.();
    const dueAt = this.waiting.reduce((earliest, { task }) => Math.min(earliest, task.due.dueAt), Infinity);
    const waitMs = Math.max(dueAt, this.pace.nextAt) - this.deps.clock.now();
    if (waitMs <= 0) this.turn();
    else this.cancelTurn = this.deps.clock.after(waitMs, () => this.turn());
  }

  private turn(): void {
    this.busy = true;
    this.pace.begin();
    this.startDue()
      .catch(this.deps.onFatal)
      .finally(() => {
        this.busy = false;
        this.underWay = 0;
        this.arrange();
      });
  }

  private async startDue(): Promise<void> {
    const now = this.deps.clock.now();
    const { due = [], later = [] } = Object.groupBy(this.waiting, ({ task }) =>
      task.due.dueAt <= now ? 'due' : 'later',
    );
    this.waiting = later;
    this.underWay = due.length;
    for (const [incarnation, claimed] of Map.groupBy(due, ({ owned }) => owned.incarnation)) {
      await this.start(incarnation, claimed);
    }
  }

  private async start(incarnation: Incarnation, claimed: readonly Claimed[]): Promise<void> {
    const { store, begin, end, lookAgain } = this.deps;
    const dues = claimed.map(({ task }) => task.due);
    let cancelled: boolean[] | undefined;
    do {
      await this.safe(incarnation);
      cancelled = await untilKnown(
        this.deps,
        'reading cancels',
        () => store.cancelled(dues),
        () => incarnation.alive,
      );
    } while (cancelled !== undefined && incarnation.alive && !this.stopped && !isSafe(incarnation));
    if (cancelled === undefined || !isSafe(incarnation)) return lookAgain(claimed.map(({ task }) => task));
    claimed.forEach(({ task, owned }, index) => {
      if (cancelled[index] === true) end(task, owned, { kind: 'cancelled' });
      else begin(task, owned);
    });
  }

  /** A process that stood still since its claim must not start what others may have taken over: it waits for its lease. */
  private async safe(incarnation: Incarnation): Promise<void> {
    while (incarnation.alive && !this.stopped && !isSafe(incarnation)) await this.deps.clock.sleep(LOOK_AGAIN_MS);
  }
}
