/**
 * What the main loop and the lease's thread share: one 64-bit cell each, written by one side only, times in ms of the
 * steady clock. Shared memory and not messages, since either side must know at once, also while the other is busy.
 */
const CELLS = {
  /** Thread: when the last successful renewal was asked for. */
  renewedAt: 0,
  /** Thread: since when the lease is held without a gap. */
  heldSince: 1,
  /** Main: free slots. */
  free: 2,
  /** Main: the earliest deadline of a run; 0: nothing runs. */
  deadlineAt: 3,
  /** Main: counts its reports: standing still means that the main loop is stuck. */
  reports: 4,
} as const;

export type Cell = keyof typeof CELLS;

export class LeaseCells {
  readonly shared: SharedArrayBuffer;
  private readonly cells: BigInt64Array<SharedArrayBuffer>;

  constructor(shared = new SharedArrayBuffer(Object.keys(CELLS).length * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.cells = new BigInt64Array(shared);
  }

  get(cell: Cell): number {
    return Number(Atomics.load(this.cells, CELLS[cell]));
  }

  set(cell: Cell, value: number): void {
    Atomics.store(this.cells, CELLS[cell], BigInt(Math.round(value)));
  }
}
