/**
 * What must be seen to while runs go on: their lease, cancels, progress, and how long they have been running.
 *
 * Invariant: the lease is checked by a loop that asks nobody, so that a database that hangs cannot keep runs going past
 * the end of the lease, when others may start them, too.
 */
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { RunStore } from '../core/ports/run-store.ts';
import { isSafe, WATCH_EVERY_MS, type Incarnations } from './incarnation.ts';
import type { Parking } from './parked.ts';
import { repeat, type Repetition } from './repeat.ts';
import type { Running, RunningEntry } from './running.ts';
import type { Slots } from './slots.ts';
import type { Backlog } from './backlog.ts';

const BEAT_EVERY_MS = 1_000;
const DETACH_AFTER_MS = 30_000;

export type HeartbeatDeps = {
  store: RunStore;
  clock: Clock;
  log: Log;
  incarnations: Incarnations;
  running: Running;
  parking: Parking;
  slots: Slots;
  backlog: Backlog;
  /** Called with each watch: a lease may have come back to life. */
  onBeat: () => void;
};

export class Heartbeat {
  private readonly deps: HeartbeatDeps;
  private loops: Repetition[] = [];
  private earliestAt = Infinity;
  private reportedFree = 0;

  constructor(deps: HeartbeatDeps) {
    this.deps = deps;
  }

  start(): void {
    this.loops = [
      repeat(this.deps, 'watching the lease', WATCH_EVERY_MS, async () => this.watch()),
      repeat(this.deps, 'heartbeat', BEAT_EVERY_MS, () => this.beat()),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  /** A run with this deadline has begun: should it block the main loop, the keeper must know. */
  began(deadlineAt: number): void {
    if (deadlineAt >= this.earliestAt) return;
    this.earliestAt = deadlineAt;
    this.report();
  }

  /** A slot is free again: those who wait for one here should hear of it. */
  freed(): void {
    if (this.reportedFree === 0) this.report();
  }

  private watch(): void {
    const { running, incarnations, onBeat } = this.deps;
    running.abort('lost_lease', ({ owned }) => !isSafe(owned.incarnation));
    this.earliestAt = running
      .present()
      .reduce((earliest, { attempt }) => Math.min(earliest, attempt.deadlineAt), Infinity);
    if (incarnations.current !== undefined) this.report();
    onBeat();
  }

  private report(): void {
    const { incarnations, slots, backlog, clock } = this.deps;
    const deadlineMs = this.earliestAt === Infinity ? null : this.earliestAt - clock.now();
    this.reportedFree = Math.max(0, slots.free - backlog.ready);
    incarnations.current?.hold.report(this.reportedFree, deadlineMs);
  }

  private async beat(): Promise<void> {
    const { running, parking, clock } = this.deps;
    const entries = running.present();
    if (entries.length === 0) return;
    await this.cancels(entries);
    await this.progress(entries);
    const long = entries.filter((entry) => !entry.decided && clock.now() - entry.since > DETACH_AFTER_MS);
    await parking.detach(long.map((entry) => entry.task));
  }

  private async cancels(entries: readonly RunningEntry[]): Promise<void> {
    const cancelled = await this.deps.store.cancelled(entries.map(({ task }) => task.due));
    entries.forEach(({ attempt }, index) => {
      if (cancelled[index] === true) attempt.abort('cancelled');
    });
  }

  private async progress(entries: readonly RunningEntry[]): Promise<void> {
    const { store, incarnations } = this.deps;
    const current = incarnations.current;
    const news = entries.filter(
      ({ owned, attempt, decided }) => !decided && owned.incarnation === current && attempt.progress !== null,
    );
    if (current === undefined || news.length === 0) return;
    const written = news.flatMap(({ task, owned, attempt }) =>
      attempt.progress === null ? [] : [{ runId: task.due.runId, token: owned.token, ...attempt.progress }],
    );
    for (const { attempt } of news) attempt.progress = null;
    await store.progress(current.lease, written);
  }
}
