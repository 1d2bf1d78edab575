/** Waits until a count that others raise has reached a number. One waiter at a time. */
export class Reached {
  private readonly count: () => number;
  private waiting: { wanted: number; resolve: () => void } | undefined;

  constructor(count: () => number) {
    this.count = count;
  }

  /** To be called after the count was raised. */
  look(): void {
    if (this.waiting !== undefined && this.count() >= this.waiting.wanted) this.waiting.resolve();
  }

  /** @returns the count, less than `wanted` after `timeoutMs` */
  async until(wanted: number, timeoutMs: number): Promise<number> {
    if (this.count() < wanted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.waiting = { wanted, resolve: () => (clearTimeout(timer), resolve()) };
      });
      this.waiting = undefined;
    }
    return this.count();
  }
}
