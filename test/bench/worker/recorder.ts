/** What a worker's handlers saw: how late each job started. Kept in memory, asked for after the measurement. */

const FIRST_CAPACITY = 1 << 16;

/** Every start of one kind of job since the last `take`. */
export class Recorder {
  private lateMs = new Int32Array(FIRST_CAPACITY);
  private size = 0;
  private total = 0;
  private waiting: { count: number; reached: () => void } | undefined;

  /** @param dueAt Unix time in ms; this machine's clock decides how late it is */
  started(dueAt: number): void {
    if (this.size === this.lateMs.length) {
      const larger = new Int32Array(2 * this.size);
      larger.set(this.lateMs);
      this.lateMs = larger;
    }
    this.lateMs[this.size++] = Date.now() - dueAt;
    this.total += 1;
    if (this.waiting !== undefined && this.total >= this.waiting.count) this.waiting.reached();
  }

  /**
   * Waits until so many jobs started since this process began. One caller at a time.
   * @returns how many started, fewer than asked for after `timeoutMs`
   */
  async until(count: number, timeoutMs: number): Promise<number> {
    if (this.total < count) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.waiting = { count, reached: () => (clearTimeout(timer), resolve()) };
      });
      this.waiting = undefined;
    }
    return this.total;
  }

  /** Start minus due of each, in ms, in the order of starts; forgets them. */
  take(): number[] {
    const taken = [...this.lateMs.subarray(0, this.size)];
    this.size = 0;
    return taken;
  }
}
