/**
 * Waiting items of many owners, who take turns: one item each, whoever had one goes to the end.
 *
 * Invariants: an owner's items keep their order; an owner stands here exactly while it has items; the order of the map is the
 * order of the turns. A pass visits each item at most once, and `end` must follow it before anything else is done.
 */
type Line<T> = {
  owner: string;
  items: T[];
  /** Items that this pass has looked at. */
  at: number;
  /** Those of them that did not fit. */
  kept: T[];
};

export type Pass<T> = {
  /** The next item that fits, which is granted; undefined when there is none. */
  next(): T | undefined;
  /** Nothing is left to look at. */
  readonly isOver: boolean;
  /** Owners were left out who may have some another time. */
  readonly hasLeftOut: boolean;
  end(): void;
};

export class Turns<T> {
  private readonly lines = new Map<string, Line<T>>();
  private readonly ownerOf: (item: T) => string;
  private count = 0;

  constructor(ownerOf: (item: T) => string) {
    this.ownerOf = ownerOf;
  }

  get size(): number {
    return this.count;
  }

  push(item: T): void {
    const owner = this.ownerOf(item);
    const line = this.lines.get(owner);
    if (line !== undefined) line.items.push(item);
    else this.lines.set(owner, { owner, items: [item], at: 0, kept: [] });
    this.count++;
  }

  *items(): IteratorObject<T, undefined, unknown> & Generator<T> {
    for (const { items } of this.lines.values()) yield* items;
  }

  /** How many items each owner has. */
  *sizes(): Generator<[owner: string, size: number]> {
    for (const { owner, items } of this.lines.values()) yield [owner, items.length];
  }

  /**
   * Looks at the items in turn.
   * @param fits asked once for each
   * @param mayHave asked when an owner's turn comes; the items of one that may not have any are not looked at
   */
  pass(fits: (item: T) => boolean, mayHave: (owner: string) => boolean = () => true): Pass<T> {
    // Lines that are set again during the iteration come up again at its end.
    const turns = this.lines.values();
    const touched = new Set<Line<T>>();
    let unseen = this.count;
    let hasLeftOut = false;
    const next = (): T | undefined => {
      for (let turn = turns.next(); !turn.done; turn = turns.next()) {
        const line = turn.value;
        touched.add(line);
        if (!mayHave(line.owner)) {
          unseen -= line.items.length - line.at;
          hasLeftOut = true;
          continue;
        }
        while (line.at < line.items.length) {
          const item = line.items[line.at++] as T;
          unseen--;
          if (fits(item)) {
            this.count--;
            this.lines.delete(line.owner);
            this.lines.set(line.owner, line);
            return item;
          }
          line.kept.push(item);
        }
      }
      return undefined;
    };
    const end = (): void => {
      for (const line of touched) this.settle(line);
    };
    return {
      next,
      end,
      get isOver() {
        return unseen === 0;
      },
      get hasLeftOut() {
        return hasLeftOut;
      },
    };
  }

  remove(matches: (item: T) => boolean, limit: number): T[] {
    const removed: T[] = [];
    for (const line of [...this.lines.values()]) {
      line.kept = line.items.filter((item) => {
        if (removed.length >= limit || !matches(item)) return true;
        removed.push(item);
        return false;
      });
      line.at = line.items.length;
      this.settle(line);
    }
    this.count -= removed.length;
    return removed;
  }

  private settle(line: Line<T>): void {
    line.items = [...line.kept, ...line.items.slice(line.at)];
    line.at = 0;
    line.kept = [];
    if (line.items.length === 0) this.lines.delete(line.owner);
  }
}
