/**
 * Holds a reader back whose records are worked on asynchronously: a schema registry that hangs must not let them pile up.
 *
 * Invariant: what is under way is at most the bound and what was read at once when it was reached.
 */

/** Of one reader: each of its records counts until what was begun with it is over. */
const MOST = 1_000;
const MOST_BYTES = 8 * 1024 * 1024;

export type InFlightOptions = {
  pause: () => void;
  resume: () => void;
};

export class InFlight {
  private readonly options: InFlightOptions;
  private count = 0;
  private bytes = 0;
  private isPaused = false;

  constructor(options: InFlightOptions) {
    this.options = options;
  }

  get paused(): boolean {
    return this.isPaused;
  }

  /** @param bytes of the record. @param work what was begun with it; anything but a promise is over */
  add(bytes: number, work: unknown): void {
    if (!isPromiseLike(work)) return;
    this.move(1, bytes);
    const done = (): void => this.move(-1, -bytes);
    work.then(done, done);
  }

  private move(count: 1 | -1, bytes: number): void {
    const { pause, resume } = this.options;
    this.count += count;
    this.bytes += bytes;
    const share = Math.max(this.count / MOST, this.bytes / MOST_BYTES);
    if (!this.isPaused && share >= 1) {
      this.isPaused = true;
      pause();
    } else if (this.isPaused && share < 0.5) {
      this.isPaused = false;
      resume();
    }
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
