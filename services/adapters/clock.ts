/**
 * The real clock. The only file, with ids.ts, that touches the machine's time: everybody else is given the port, so that
 * tests and the simulation can drive it.
 */
import type { Clock } from '../core/ports/clock.ts';

/** What a Node timer can hold; anything longer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Invariant: between two corrections `now()` goes on by itself, whatever becomes of the machine's time of day. Who sets a
 * machine's clock by a minute must not make runs start a minute early until the database is asked again.
 */
export class SystemClock implements Clock {
  /** From steady time to the time of day. */
  private offsetMs = this.machine() - this.steady();

  /** Ms on a clock that nobody sets, the same for all threads of a process; its zero means nothing. */
  steady(): number {
    return Number(process.hrtime.bigint() / 1_000_000n);
  }

  /** The machine's own time of day, ms since the epoch: it may be set at any moment. */
  machine(): number {
    return Date.now();
  }

  now(): number {
    return this.steady() + this.offsetMs;
  }

  /** Sets the correction, `database's time − steady time` in ms, which replaces the former one. */
  correct(offsetMs: number): void {
    this.offsetMs = offsetMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const timer = setTimeout(done, timerMs(ms));
      signal?.addEventListener('abort', done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  after(ms: number, fn: () => void): () => void {
    const timer = setTimeout(fn, timerMs(ms));
    return () => clearTimeout(timer);
  }
}

function timerMs(ms: number): number {
  return Math.min(Math.max(ms, 0), MAX_TIMER_MS);
}
