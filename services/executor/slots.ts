import type { HandlerRegistry } from './handlers/handler.ts';

/** Slots of one executor: a slot is one run in progress. Also keeps each handler's own limit. */
export class Slots {
  readonly total: number;
  private used = 0;
  private readonly usedBy = new Map<string, number>();
  private readonly handlers: HandlerRegistry;

  constructor(total: number, handlers: HandlerRegistry) {
    this.total = total;
    this.handlers = handlers;
  }

  get free(): number {
    return this.total - this.used;
  }

  get inUse(): number {
    return this.used;
  }

  /** Takes a slot unless all are taken, or all that its handler may have. */
  acquire(handler: string): boolean {
    const own = this.usedBy.get(handler) ?? 0;
    if (this.used >= this.total || own >= (this.handlers.get(handler)?.concurrency ?? Infinity)) return false;
    this.used++;
    this.usedBy.set(handler, own + 1);
    return true;
  }

  release(handler: string): void {
    this.used--;
    this.usedBy.set(handler, (this.usedBy.get(handler) ?? 1) - 1);
  }
}
