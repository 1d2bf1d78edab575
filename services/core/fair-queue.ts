/**
 * Waiting work of three priorities: high goes first, but medium and low keep a guaranteed share of the grants.
 *
 * Invariants: order within a priority is kept among items that fit; while all three wait, every 10 grants in a row are
 * 7 high, 2 medium, 1 low; the share of a priority that has nothing to give is lent to the others, and not owed later
 * (smooth weighted round robin over those that have something that fits). So a flood of high can slow the others, never stop them.
 */
import { PRIORITIES, type Priority } from './model.ts';

const WEIGHTS: Record<Priority, number> = { high: 7, medium: 2, low: 1 };

export class FairQueue<T> {
  private readonly lanes: Record<Priority, T[]> = { high: [], medium: [], low: [] };
  private readonly credit: Record<Priority, number> = { high: 0, medium: 0, low: 0 };

  push(priority: Priority, item: T): void {
    this.lanes[priority].push(item);
  }

  size(priority?: Priority): number {
    if (priority !== undefined) return this.lanes[priority].length;
    return PRIORITIES.reduce((sum, each) => sum + this.lanes[each].length, 0);
  }

  /**
   * Grants up to `limit` items, removed from the queue.
   * @param fits asked once for each item when its turn comes, true means that it is granted (and may count it already);
   *   the others keep their place
   */
  take(limit: number, fits: (item: T) => boolean = () => true): T[] {
    const granted: T[] = [];
    const at: Record<Priority, number> = { high: 0, medium: 0, low: 0 };
    const kept: Record<Priority, T[]> = { high: [], medium: [], low: [] };
    /** The next item of a lane that fits; those passed over are kept. */
    const next = (priority: Priority): T | undefined => {
      const lane = this.lanes[priority];
      while (at[priority] < lane.length) {
        const item = lane[at[priority]++] as T;
        if (fits(item)) return item;
        kept[priority].push(item);
      }
      return undefined;
    };
    let waiting = PRIORITIES.filter((priority) => this.lanes[priority].length > 0);
    while (granted.length < limit && waiting.length > 0) {
      const priority = this.turn(waiting);
      const item = next(priority);
      if (item !== undefined) {
        granted.push(item);
        this.charge(priority, waiting);
      } else {
        this.credit[priority] = 0;
      }
      waiting = waiting.filter((each) => at[each] < this.lanes[each].length);
    }
    for (const priority of PRIORITIES) {
      if (at[priority] > 0) this.lanes[priority] = [...kept[priority], ...this.lanes[priority].slice(at[priority])];
      if (this.lanes[priority].length === 0) this.credit[priority] = 0;
    }
    return granted;
  }

  some(matches: (item: T) => boolean): boolean {
    return PRIORITIES.some((priority) => this.lanes[priority].some(matches));
  }

  /** Takes out up to `limit` items that match, oldest first, high priority first; no grant is counted. */
  remove(matches: (item: T) => boolean, limit = Infinity): T[] {
    const removed: T[] = [];
    for (const priority of PRIORITIES) {
      this.lanes[priority] = this.lanes[priority].filter((item) => {
        if (removed.length >= limit || !matches(item)) return true;
        removed.push(item);
        return false;
      });
    }
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
