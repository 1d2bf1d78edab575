/**
 * How many inputs of a kind a step takes from each partition: as many as a step of bounded length can do. What comes up meanwhile
 * waits for the end of the step, so under a flood this bounds how late everything else is, on a slow or cold machine too.
 */
const LEAST = 32;
/** A step that took longer was too large; one that took less than half of it could have been larger. */
const LONG_MS = 80;

export class StepSize {
  private readonly most: number;
  private current: number;

  /** @param most never more than this many */
  constructor(most: number) {
    this.most = most;
    this.current = Math.min(LEAST, most);
  }

  get limit(): number {
    return this.current;
  }

  /**
   * A step was done.
   * @param ms how long it took
   * @param isFull whether a partition had as much as it could take: only then its length says something about the limit
   */
  took(ms: number, isFull: boolean): void {
    if (ms > LONG_MS) this.current = Math.max(Math.min(LEAST, this.most), Math.floor(this.current / 2));
    else if (isFull && ms < LONG_MS / 2) this.current = Math.min(this.most, this.current * 2);
  }
}
