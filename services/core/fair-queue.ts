/**
 * Waiting work of three priorities: high goes first, but medium and low keep a guaranteed share of the grants. Within a
 * priority, tenants take turns.
 *
 * Invariants: order within a priority and tenant is kept among items that fit; while all three wait, every 10 grants in a row
 * are 7 high, 2 medium, 1 low; the share of a priority that has nothing to give is lent to the others, and not owed later
 * (smooth weighted round robin over those that have something that fits). So a flood of high can slow the others, never stop
 * them, and neither can a flood of one tenant.
 */
import { PRIORITIES, type Priority } from './model.ts';
import { Turns } from './turns.ts';

const WEIGHTS: Record<Priority, number> = { high: 7, medium: 2, low: 1 };

export class FairQueue<T> {
  private readonly lanes: Record<Priority, Turns<T>>;
  private readonly credit: Record<Priority, number> = { high: 0, medium: 0, low: 0 };

  /** @param tenantOf who takes turns with whom; by default all items are of one */
  constructor(tenantOf: (item: T) => string = () => '') {
    this.lanes = { high: new Turns(tenantOf), medium: new Turns(tenantOf), low: new Turns(tenantOf) };
  }

  push(priority: Priority, item: T): void {
    this.lanes[priority].push(item);
  }

  size(priority?: Priority): number {
    if (priority !== undefined) return this.lanes[priority].size;
    return PRIORITIES.reduce((sum, each) => sum + this.lanes[each].size, 0);
  }

  /**
   * Grants up to `limit` items, removed from the queue.
   * @param fits asked once for each item when its turn comes, true means that it is granted (and may count it already);
   *   the others keep their place
   * @param mayHave asked when a tenant's turn comes: whether it takes part at all
   */
  take(limit: number, fits: (item: T) => boolean = () => true, mayHave?: (tenant: string) => boolean): T[] {
    const granted: T[] = [];
    if (limit <= 0) return granted;
    const passes = {
      high: this.lanes.high.pass(fits, mayHave),
      medium: this.lanes.medium.pass(fits, mayHave),
      low: this.lanes.low.pass(fits, mayHave),
    };
    let waiting = PRIORITIES.filter((priority) => !passes[priority].isOver);
    while (granted.length < limit && waiting.length > 0) {
      const priority = this.turn(waiting);
      const item = passes[priority].next();
      if (item !== undefined) {
        granted.push(item);
        this.charge(priority, waiting);
      } else if (!passes[priority].hasLeftOut) {
        this.credit[priority] = 0;
      }
      waiting = waiting.filter((each) => !passes[each].isOver);
    }
    for (const priority of PRIORITIES) {
      passes[priority].end();
      if (this.lanes[priority].size === 0) this.credit[priority] = 0;
    }
    return granted;
  }

  /** How many items of each tenant wait. */
  sizeByTenant(): Map<string, number> {
    const sizes = new Map<string, number>();
    for (const priority of PRIORITIES) {
      for (const [tenant, size] of this.lanes[priority].sizes()) sizes.set(tenant, (sizes.get(tenant) ?? 0) + size);
    }
    return sizes;
  }

  some(matches: (item: T) => boolean): boolean {
    return PRIORITIES.some((priority) => this.lanes[priority].items().some(matches));
  }

  /** What waits in a priority. */
  items(priority: Priority): IteratorObject<T> {
    return this.lanes[priority].items();
  }

  /** Takes out up to `limit` items that match, each tenant's oldest first, high priority first; no grant is counted. */
  remove(matches: (item: T) => boolean, limit = Infinity): T[] {
    const removed: T[] = [];
    for (const priority of PRIORITIES) removed.push(...this.lanes[priority].remove(matches, limit - removed.length));
    return removed;
  }

  /** Whose turn it is: the highest credit after this round's income, the higher priority when equal. */
  private turn(waiting: readonly Priority[]): Priority {
    const income = (priority: Priority): number => this.credit[priority] + WEIGHTS[priority];
    return waiting.reduce((best, each) => (income(each) > income(best) ? each : best));
  }

  private charge(granted: Priority, waiting: readonly Priority[]): void {
    let total = 0;
    for (const priority of waiting) {
      this.credit[priority] += WEIGHTS[priority];
      total += WEIGHTS[priority];
    }
    this.credit[granted] -= total;
  }
}
