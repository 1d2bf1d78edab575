/**
 * Which offset of one partition may be committed while its records finish in any order.
 *
 * Invariants: offsets are added in rising order (gaps are normal: transaction markers); everything below `committable()`
 * is done; it never falls. So a crash re-reads every record that was not done, and perhaps some that were.
 */
export class Watermark {
  /** Offsets added and not yet passed, rising; those before `head` are passed. */
  private open: bigint[] = [];
  private head = 0;
  private readonly finished = new Set<bigint>();
  private last: bigint | null = null;

  /** Takes a record in. Answers false, and changes nothing, for an offset at or below the last one added. */
  add(offset: bigint): boolean {
    if (this.last !== null && offset <= this.last) return false;
    this.open.push(offset);
    this.last = offset;
    return true;
  }

  /** The record at this offset needs no redelivery any more. Twice is as good as once; unknown offsets are ignored. */
  done(offset: bigint): void {
    const lowest = this.open[this.head];
    if (lowest === undefined || offset < lowest || offset > (this.last ?? -1n)) return;
    this.finished.add(offset);
    for (let first = this.open[this.head]; first !== undefined && this.finished.delete(first);) {
      first = this.open[++this.head];
    }
    if (this.head > 1_024 && this.head * 2 > this.open.length) {
      this.open = this.open.slice(this.head);
      this.head = 0;
    }
  }

  /** The next offset to read after a restart: the lowest that is not done, or behind the last; null before the first record. */
  committable(): bigint | null {
    const lowest = this.open[this.head];
    if (lowest !== undefined) return lowest;
    return this.last === null ? null : this.last + 1n;
  }

  /** How many records are not passed yet. */
  get pending(): number {
    return this.open.length - this.head;
  }
}
