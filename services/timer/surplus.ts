/**
 * Tells a tenant's surplus from its usual load, so that due records of a flood do not stand before those of others: a
 * Kafka partition is read in order, so the surplus goes to partitions of its own (`Records.due`).
 *
 * A bucket per tenant and topic: what fits in it is usual. It need not outlive this process, nor be exact: both kinds of
 * partitions are read by the same executors, and who floods nothing finds no difference.
 */
const BURST = 20;
const PER_SECOND = 5;
const MOST_BUCKETS = 10_000;

type Bucket = { tokens: number; at: number };

export class Surplus {
  private readonly buckets = new Map<string, Bucket>();

  /** Whether this due record is more than the tenant's share of the topic's usual partitions; counts it. */
  take(tenant: string, topic: string, now: number): boolean {
    const key = `${tenant} ${topic}`;
    const former = this.buckets.get(key) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, former.tokens + (Math.max(0, now - former.at) / 1_000) * PER_SECOND);
    const isSurplus = tokens < 1;
    this.buckets.set(key, { tokens: isSurplus ? tokens : tokens - 1, at: now });
    if (this.buckets.size > MOST_BUCKETS) this.forgetFull(now);
    return isSurplus;
  }

  /** A full bucket says no more than none. */
  private forgetFull(now: number): void {
    for (const [key, { tokens, at }] of this.buckets) {
      if (tokens + ((now - at) / 1_000) * PER_SECOND >= BURST) this.buckets.delete(key);
    }
  }
}
