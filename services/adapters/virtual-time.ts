/**
 * Time that stands still until it is moved: a queue of what is to happen. The simulation, the testing kit and the unit
 * tests run the real services on it.
 *
 * Invariant: one thing happens at a time, in the order of its time and then of its entry, and every promise that can
 * settle has settled before the next. Nothing else moves such a world, so that it repeats exactly.
 */
import type { Clock } from '../core/ports/clock.ts';

type Entry = { at: number; order: number; fn: (() => void) | null };

/** Immediates are run one by one with all promises settled in between; many at once spare a turn of the event loop each. */
const AT_ONCE = 128;

export class VirtualTime implements Clock {
  private time: number;
  private order = 0;
  /** A binary heap. */
  private readonly entries: Entry[] = [];
  /** How many things have happened. */
  happened = 0;

  /** @param startAt the first instant, ms since the epoch */
  constructor(startAt: number) {
    this.time = startAt;
  }

  now(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): () => void {
    // Whole milliseconds, as the database's clock has.
    const entry: Entry = { at: this.time + Math.max(0, Math.ceil(ms)), order: this.order++, fn };
    this.push(entry);
    return () => {
      entry.fn = null;
    };
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

  /** When the next thing happens; undefined: nothing is to happen. */
  nextAt(): number | undefined {
    while (this.entries[0]?.fn === null) this.pop();
    return this.entries[0]?.at;
  }

  /** Passes over the time until `at`: what was to happen meanwhile happens then, late, as after a computer's sleep. */
  jump(at: number): void {
    this.time = Math.max(this.time, at);
  }

  /** Moves on by `ms`; everything that comes due on the way happens at its own instant. */
  advance(ms: number): Promise<void> {
    return this.run(this.time + ms);
  }

  /** Lets things happen up to the time `end`, or until `isDone`. */
  async run(end: number, isDone: () => boolean = () => false): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let over = false;
    const turn = (): void => {
      if (over) return;
      try {
        if (!isDone() && this.step(end)) return;
        over = true;
        resolve();
      } catch (thrown) {
        over = true;
        reject(thrown);
      }
    };
    const feed = (): void => {
      for (let i = 0; i < AT_ONCE; i++) setImmediate(turn);
      setImmediate(() => over || feed());
    };
    feed();
    await promise;
    if (!isDone()) this.time = Math.max(this.time, end);
  }

  /** The next thing happens; false: there is none until `end`. */
  step(end: number): boolean {
    for (;;) {
      const first = this.entries[0];
      if (first === undefined || first.at > end) return false;
      this.pop();
      if (first.fn === null) continue;
      this.time = Math.max(this.time, first.at);
      this.happened++;
      first.fn();
      return true;
    }
  }

  private push(entry: Entry): void {
    const { entries } = this;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  private pop(): void {
    const { entries } = this;
    const last = entries.pop()!;
    const { length } = entries;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(entries[child + 1]!, entries[child]!)) child++;
      if (!isBefore(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
