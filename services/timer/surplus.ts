/**
 * Tells a tenant's surplus from its usual load, so that due records of a flood do not stand before those of others: a
 * Kafka partition is read in order, so the surplus goes to partitions of its own (`Records.due`).
 *
 * A bucket per tenant and topic: what fits in it is usual. It need not outlive this process, nor be exact: both kinds of
 * partitions are read by the same executors, and who floods nothing finds no difference. Where there is one tenant alone, its
 * records go everywhere, since half of the partitions would leave half of the executors without any.
 *
 * Buckets are forgotten without looking at them: two generations, of which the older one goes as a whole once nothing of it was
 * used for as long as an empty bucket takes to be full again. A full bucket says no more than none.
 */
import type { DuePlace } from '../core/events.ts';

const BURST = 20;
const PER_SECOND = 5;
const FULL_AFTER_MS = (BURST / PER_SECOND) * 1_000;
/** Of one generation: beyond it the older one goes early, and some tenants have their burst again. */
const MAX_BUCKETS = 10_000;

type Bucket = { tokens: number; at: number };

export class Surplus {
  private buckets = new Map<string, Bucket>();
  private older = new Map<string, Bucket>();
  private begunAt = -Infinity;

  /** @param isShared whether there are other tenants */
  place(tenant: string, topic: string, now: number, isShared: boolean): DuePlace {
    if (!isShared) return 'anywhere';
    return this.take(tenant, topic, now) ? 'surplus' : 'usual';
  }

  /** Buckets in memory. */
  get size(): number {
    return this.buckets.size + this.older.size;
  }

  /** Whether this due record is more than the tenant's share of the topic's usual partitions; counts it. */
  private take(tenant: string, topic: string, now: number): boolean {
    this.age(now);
    const key = `${tenant} ${topic}`;
    const former = this.buckets.get(key) ?? this.older.get(key) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, former.tokens + (Math.max(0, now - former.at) / 1_000) * PER_SECOND);
    const isSurplus = tokens < 1;
    this.buckets.set(key, { tokens: isSurplus ? tokens : tokens - 1, at: now });
    return isSurplus;
  }

  /** A clock that was set back begins a generation, too. */
  private age(now: number): void {
    const isYoung = now - this.begunAt < FULL_AFTER_MS && now >= this.begunAt;
    if (isYoung && this.buckets.size < MAX_BUCKETS) return;
    this.older = this.buckets;
    this.buckets = new Map();
    this.begunAt = now;
  }
}
