/**
 * The real clock. The only file, with ids.ts, that touches the machine's time: everybody else is given the port, so that
 * tests and the simulation can drive it.
 */
import type { Clock } from '../core/ports/clock.ts';

/** What a Node timer can hold; anything longer would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class SystemClock implements Clock {
  private offsetMs = 0;

  /** The machine's own time, ms since the epoch. */
  uncorrected(): number {
    return Date.now();
  }

  now(): number {
    return Date.now() + this.offsetMs;
  }

  /** Sets the correction, `database's time − machine's time` in ms, which replaces the former one. */
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
