/**
 * Moves a test's world: what is due now happens, and then time leaps to what is due next.
 *
 * Invariants: one loop moves time, whoever asks; time moves only when everything of the present is over: records on their
 * way, steps, and handlers that wait for something outside virtual time (those for a while only, so that a handler that
 * hangs meets its timeout). It leaps only when nothing is under way at all; otherwise it goes from one thing to the next,
 * as the services' own timers say.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../core/ports/clock.ts';

/** Virtual time, as far as it is moved here. */
export type MovableTime = Clock & {
  nextAt(): number | undefined;
  jump(at: number): void;
  run(end: number): Promise<void>;
};

export type StageOptions = {
  time: MovableTime;
  /** Real time, to wait for handlers that do something real. */
  real: Clock;
  /** How long, in real ms, time stands still for a handler that does not wait for virtual time. */
  patienceMs: number;
  /** Nothing is under way: all that is left to do is rows of `timers`. */
  isIdle(): boolean;
  /** When the next row of `timers` is due. */
  nextDueAt(): number | undefined;
};

/** A handler at work. */
type Call = { sleeps: number; isGivenUp: boolean };

/** How often handlers that do something real are looked at, real ms. */
const LOOK_EVERY_MS = 1;

export class Stage {
  private readonly options: StageOptions;
  private loop: Promise<void> | undefined;
  /** Answers that somebody waits for. */
  private awaited = 0;
  private readonly calls = new Set<Call>();
  private readonly current = new AsyncLocalStorage<Call>();

  constructor(options: StageOptions) {
    this.options = options;
  }

  /** Lets everything happen until `end` (ms since the epoch), and what is due then come to its end. */
  async advance(end: number): Promise<void> {
    while (this.loop !== undefined) await this.loop;
    await this.move(end, () => false);
    this.options.time.jump(end);
  }

  /** The world moves until the answer is there, and then to the end of the present. */
  async until<T>(answer: Promise<T>): Promise<T> {
    this.awaited++;
    const done = (): void => void this.awaited--;
    answer.then(done, done);
    // In a handler, or beside another: that loop goes on until this answer is there, too.
    if (this.loop === undefined) await this.move(Infinity, () => this.awaited === 0);
    return answer;
  }

  /** A handler's own code. */
  async handler<T>(work: () => Promise<T> | T): Promise<T> {
    const call = { sleeps: 0, isGivenUp: false };
    this.calls.add(call);
    try {
      return await this.current.run(call, work);
    } finally {
      this.calls.delete(call);
    }
  }

  /** Waits for virtual time, which goes on meanwhile. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const call = this.current.getStore();
    if (call !== undefined) call.sleeps++;
    await this.options.time.sleep(ms, signal);
    if (call !== undefined) call.sleeps--;
  }

  private async move(end: number, isEnough: () => boolean): Promise<void> {
    this.loop = this.turns(end, isEnough);
    try {
      await this.loop;
    } finally {
      this.loop = undefined;
    }
  }

  private async turns(end: number, isEnough: () => boolean): Promise<void> {
    const { time } = this.options;
    for (;;) {
      await time.run(time.now());
      if (await this.awaitReal()) continue;
      if (isEnough()) return;
      const next = this.nextAt();
      if (next === undefined || next > end) return;
      time.jump(next);
    }
  }

  /** What time it will be next. */
  private nextAt(): number | undefined {
    const { time } = this.options;
    if (this.awaited > 0 || !this.options.isIdle()) return time.nextAt();
    const dueAt = this.options.nextDueAt();
    // A row that is due already waits for its timer's own next look.
    return dueAt !== undefined && dueAt <= time.now() ? time.nextAt() : dueAt;
  }

  /** Waits for handlers that are busy with something real. @returns whether there may be something to do now */
  private async awaitReal(): Promise<boolean> {
    const { time, real, patienceMs } = this.options;
    const busy = [...this.calls].filter(({ sleeps, isGivenUp }) => sleeps === 0 && !isGivenUp);
    if (busy.length === 0) return false;
    for (const giveUpAt = real.now() + patienceMs; real.now() < giveUpAt;) {
      await real.sleep(LOOK_EVERY_MS);
      const isPresent = (time.nextAt() ?? Infinity) <= time.now();
      if (isPresent || busy.some((call) => call.sleeps > 0 || !this.calls.has(call))) return true;
    }
    for (const call of busy) call.isGivenUp = true;
    return true;
  }
}
