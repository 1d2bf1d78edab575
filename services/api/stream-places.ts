/**
 * Places for streams, which last: as many as there are go to whoever asks, and when all are taken a tenant that has fewer than
 * another gets one of that other's. Its stream ends as if the connection were lost, and its client goes on elsewhere or later,
 * where it was: nothing is missed. So one tenant may have all places while nobody else wants one.
 */
export class StreamPlaces {
  private readonly total: number;
  private readonly ends = new Map<string, Set<() => void>>();
  private taken = 0;

  constructor(total: number) {
    this.total = total;
  }

  /**
   * @param end ends the stream, when its place is another's
   * @returns gives the place back; undefined: there is none, and no tenant has more than this one would
   */
  take(tenant: string, end: () => void): (() => void) | undefined {
    if (this.taken >= this.total && !this.displaceFor(tenant)) return undefined;
    const own = this.ends.get(tenant) ?? new Set();
    this.ends.set(tenant, own.add(end));
    this.taken += 1;
    return () => this.release(tenant, end);
  }

  private displaceFor(tenant: string): boolean {
    const own = this.ends.get(tenant)?.size ?? 0;
    const [largest, streams] = [...this.ends].reduce((a, b) => (b[1].size > a[1].size ? b : a));
    const latest = [...streams].at(-1);
    if (latest === undefined || own + 1 >= streams.size) return false;
    this.release(largest, latest);
    latest();
    return true;
  }

  private release(tenant: string, end: () => void): void {
    const streams = this.ends.get(tenant);
    if (streams?.delete(end) !== true) return;
    this.taken -= 1;
    if (streams.size === 0) this.ends.delete(tenant);
  }
}
