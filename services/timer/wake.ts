/** Wakes the one loop of a timer. Invariant: a call that comes while nobody waits is not lost; it ends the next wait at once. */
import type { Clock } from '../core/ports/clock.ts';

export class Wake {
  private readonly clock: Clock;
  private called = false;
  private resolve: (() => void) | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  call(): void {
    this.called = true;
    this.resolve?.();
  }

  /** Waits until `call`, `ms` at the most, and for a turn of the event loop where that is not positive. */
  async wait(ms: number): Promise<void> {
    if (!this.called) {
      await new Promise<void>((resolve) => {
        const cancel = this.clock.after(Math.max(ms, 0), resolve);
        this.resolve = () => {
          cancel();
          resolve();
        };
      });
      this.resolve = undefined;
    }
    this.called = false;
  }
}
