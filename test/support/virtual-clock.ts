/** Virtual time as the tests of single services move it, so that each reads like a story and repeats exactly. */
import { VirtualTime } from '../../services/adapters/virtual-time.ts';

export class VirtualClock extends VirtualTime {
  private running = false;

  /** @param startAt the first instant, ms */
  constructor(startAt: number = Date.UTC(2026, 0, 1)) {
    super(startAt);
  }

  /** Moves on in small steps until `condition` holds; throws after `limitMs`, so that a test fails with a name. */
  async until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    const end = this.now() + limitMs;
    await settled();
    while (!condition()) {
      if (this.now() >= end) throw new Error(`not within ${limitMs} ms: ${what}`);
      await this.advance(10);
    }
  }

  /** Goes on by itself from here, from timer to timer, as soon as everything else has settled: hours pass in milliseconds. */
  start(): void {
    this.running = true;
    const next = (): void => {
      if (!this.running) return;
      this.step(Infinity);
      setImmediate(next);
    };
    setImmediate(next);
  }

  stop(): void {
    this.running = false;
  }
}

/** Every microtask that is ready has run when this resolves. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
