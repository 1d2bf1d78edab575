/** Places of something that is scarce, shared among tenants. */

/**
 * A tenant may take places as long as it has fewer than are free: so one that takes all it can get leaves half, the next one half of
 * that, and whoever comes with nothing finds one. Where nobody else comes, half of the places are idle: for what is short.
 */
export class Shares {
  private readonly total: number;
  private readonly taken = new Map<string, number>();
  private used = 0;

  constructor(total: number) {
    this.total = total;
  }

  /** @returns gives the place back; undefined: there is none for this tenant now */
  take(tenant: string): (() => void) | undefined {
    const own = this.taken.get(tenant) ?? 0;
    if (own >= this.total - this.used) return undefined;
    this.taken.set(tenant, own + 1);
    this.used += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.used -= 1;
      const left = (this.taken.get(tenant) ?? 1) - 1;
      if (left === 0) this.taken.delete(tenant);
      else this.taken.set(tenant, left);
    };
  }
}
