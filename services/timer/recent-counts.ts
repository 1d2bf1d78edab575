/**
 * How many there are of what is bounded: the store's count, and what this process has accepted since.
 *
 * What is known is up to KNOWN_MS old. So a bound may be exceeded by what other timer processes accept in that time, and never by what
 * one accepts alone.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/ports/clock.ts';

export const KNOWN_MS = 2_000;
/** Names are users' words: no more are remembered, the latest ones. */
const MAX_KNOWN = 10_000;

export class RecentCounts {
  private readonly clock: Pick<Clock, 'now'>;
  private readonly known = new LRUCache<string, { count: number; at: number }>({ max: MAX_KNOWN });

  constructor(clock: Pick<Clock, 'now'>) {
    this.clock = clock;
  }

  /** Whether the store is to be asked. */
  isStale(name: string): boolean {
    return this.clock.now() - (this.known.get(name)?.at ?? -Infinity) >= KNOWN_MS;
  }

  /** The store says so. */
  set(name: string, count: number): void {
    this.known.set(name, { count, at: this.clock.now() });
  }

  /** Undefined: nothing is known. */
  of(name: string): number | undefined {
    return this.known.get(name)?.count;
  }

  /** One more is accepted. */
  add(name: string): void {
    const known = this.known.get(name);
    if (known !== undefined) known.count++;
  }

  /** A step was not stored: what was counted for it is not there, or the store counts it. */
  clear(): void {
    this.known.clear();
  }
}
