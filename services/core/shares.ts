/** Something that is scarce, places or bytes, shared among tenants or keys. */

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

  /** @returns gives back what was taken; undefined: there is not as much for this tenant now */
  take(tenant: string, amount = 1): (() => void) | undefined {
    const own = this.taken.get(tenant) ?? 0;
    if (own + amount > this.total - this.used) return undefined;
    this.taken.set(tenant, own + amount);
    this.used += amount;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.used -= amount;
      const left = (this.taken.get(tenant) ?? amount) - amount;
      if (left === 0) this.taken.delete(tenant);
      else this.taken.set(tenant, left);
    };
  }

  /** Whether the tenant has some of it now. */
  isHeldBy(tenant: string): boolean {
    return this.taken.has(tenant);
  }
}
