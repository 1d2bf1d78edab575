/**
 * Slots of one executor: a slot is one run in progress. Tenants share them, and each handler keeps to its own limit.
 *
 * Invariants: a tenant that nobody else competes with uses all slots. While a tenant below its fair share has runs that could
 * start, no tenant at or above its own share starts any. Slots in use do not become free on demand, so once all are taken a few
 * spare ones are left, which only tenants below their share get, each fewer than it leaves to the others: a tenant whose runs
 * never end cannot stop the others.
 */
import type { HandlerRegistry } from './handlers/handler.ts';

/** Of the total, in addition to it. */
const SPARE = 1 / 4;

export class Slots {
  readonly total: number;
  private readonly spare: number;
  private used = 0;
  private readonly usedByHandler = new Map<string, number>();
  private readonly usedByTenant = new Map<string, number>();
  private readonly handlers: HandlerRegistry;

  constructor(total: number, handlers: HandlerRegistry) {
    this.total = total;
    this.spare = Math.ceil(total * SPARE);
    this.handlers = handlers;
  }

  /** Slots that any tenant may take. */
  get free(): number {
    return Math.max(0, this.total - this.used);
  }

  /** Slots that a tenant below its share may take. */
  get room(): number {
    return this.total + this.spare - this.used;
  }

  get inUse(): number {
    return this.used;
  }

  /** How many slots each tenant may have before others are preferred. @param waiting tenants with runs that could start */
  shareAmong(waiting: Iterable<string>): number {
    const tenants = new Set([...this.usedByTenant.keys(), ...waiting]);
    return Math.ceil(this.total / Math.max(1, tenants.size));
  }

  /** Whether a tenant below this share may start one more run, be it in a spare slot. */
  isOwed(tenant: string, share: number): boolean {
    const own = this.heldBy(tenant);
    return own < share && (this.free > 0 || own < this.room);
  }

  /** Those that hold slots. */
  tenants(): Iterable<string> {
    return this.usedByTenant.keys();
  }

  heldBy(tenant: string): number {
    return this.usedByTenant.get(tenant) ?? 0;
  }

  /** Takes a slot, unless its handler has all that it may have. Whether the tenant may have one is asked before. */
  acquire({ tenant, handler }: Holder): boolean {
    const own = this.usedByHandler.get(handler) ?? 0;
    if (this.room <= 0 || own >= (this.handlers.get(handler)?.concurrency ?? Infinity)) return false;
    this.used++;
    this.usedByHandler.set(handler, own + 1);
    this.usedByTenant.set(tenant, this.heldBy(tenant) + 1);
    return true;
  }

  release({ tenant, handler }: Holder): void {
    this.used--;
    subtract(this.usedByHandler, handler);
    subtract(this.usedByTenant, tenant);
  }
}

export type Holder = { readonly tenant: string; readonly handler: string };

function subtract(counts: Map<string, number>, name: string): void {
  const left = (counts.get(name) ?? 1) - 1;
  if (left === 0) counts.delete(name);
  else counts.set(name, left);
}
