/**
 * Lets a stage gather work. What begins after a pause begins at once; under a steady load a stage begins at most once in
 * `everyMs`, and what came up meanwhile goes together: each round trip costs the same whatever it carries.
 */
import type { Clock } from './ports/clock.ts';

export class Pace {
  private readonly clock: Clock;
  private readonly everyMs: number;
  private begunAt = -Infinity;

  /** @param everyMs from the beginning of one turn to that of the next, at the least */
  constructor(clock: Clock, everyMs: number) {
    this.clock = clock;
    this.everyMs = everyMs;
  }

  /** When the next turn may begin, by the clock. */
  get nextAt(): number {
    return this.begunAt + this.everyMs;
  }

  /** A turn begins now. */
  begin(): void {
    this.begunAt = this.clock.now();
  }

  /** Waits until a turn may begin. @param isFull there is so much that waiting gathers nothing */
  async wait(isFull: boolean): Promise<void> {
    // A clock that was set back must not hold the stage up for longer than a turn.
    const waitMs = Math.min(this.everyMs, this.nextAt - this.clock.now());
    if (!isFull && waitMs > 0) await this.clock.sleep(waitMs);
  }
}
