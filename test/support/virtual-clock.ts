/**
 * A clock that stands still until a test moves it, or, between `start` and `stop`, jumps from timer to timer by itself as
 * soon as everything else has settled: hours pass in milliseconds.
 *
 * Invariant: callbacks run in the order of their time, then of their registration, each at its own instant, and every
 * promise that can settle has settled before the next one runs. So a test reads like a story and repeats exactly.
 */
import type { Clock } from '../../services/core/ports/clock.ts';

type Entry = { at: number; order: number; fn: () => void };

export class VirtualClock implements Clock {
  private time: number;
  private order = 0;
  private readonly entries = new Set<Entry>();
  private running = false;

  /** @param startAt the first instant, ms */
  constructor(startAt: number = Date.UTC(2026, 0, 1)) {
    this.time = startAt;
  }

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): () => void {
    const entry = { at: this.time + Math.max(0, ms), order: this.order++, fn };
    this.entries.add(entry);
    return () => this.entries.delete(entry);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.after(ms, done);
      signal?.addEventListener('abort', done);
    });
  }

  /** Moves on by `ms`, running everything that comes due on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settled();
    while (this.fireNext(end)) await settled();
    this.time = end;
  }

  /** Moves on in small steps until `condition` holds; throws after `limitMs`, so that a test fails with a name. */
  async until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    const end = this.time + limitMs;
    await settled();
    while (!condition()) {
      if (this.time >= end) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.advance(10);
    }
  }

  /** Goes on by itself from here. */
  start(): void {
    this.running = true;
    const step = (): void => {
      if (!this.running) return;
      this.fireNext(Infinity);
      setImmediate(step);
    };
    setImmediate(step);
  }

  stop(): void {
    this.running = false;
  }

  private fireNext(end: number): boolean {
    const next = this.next(end);
    if (next === undefined) return false;
    this.entries.delete(next);
    this.time = Math.max(this.time, next.at);
    next.fn();
    return true;
  }

  private next(end: number): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.entries) {
      if (entry.at > end) continue;
      if (first === undefined || entry.at < first.at || (entry.at === first.at && entry.order < first.order))
        first = entry;
    }
    return first;
  }
}

/** Every microtask that is ready has run when this resolves. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
