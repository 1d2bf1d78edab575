/**
 * What the event loop of a process and its watchdog share: memory and not messages, since a loop that is stuck sends none.
 *
 * Invariant: the loop alone writes, and the thread reads the position only once the loop stands still.
 */
import { INTAKES, type Intake } from '../../core/topics.ts';

const CELLS = { beats: 0, kind: 1, partition: 2, offset: 3, inputBytes: 4, jobBytes: 5 } as const;
const CELL_BYTES = Object.keys(CELLS).length * BigInt64Array.BYTES_PER_ELEMENT;
const TEXT_BYTES = 512;
const [NOWHERE, INPUT] = [0, 1];
const FIRST_INTAKE = 2;

/** Where a loop stands still. `partition` null: what it was at is of none. */
export type StuckAt = { partition: number | null; input: string; job: string };

export class WatchCells {
  readonly shared: SharedArrayBuffer;
  private readonly cells: BigInt64Array<SharedArrayBuffer>;
  private readonly input: Buffer<SharedArrayBuffer>;
  private readonly job: Buffer<SharedArrayBuffer>;

  constructor(shared = new SharedArrayBuffer(CELL_BYTES + 2 * TEXT_BYTES)) {
    this.shared = shared;
    this.cells = new BigInt64Array(shared, 0, Object.keys(CELLS).length);
    this.input = Buffer.from(shared, CELL_BYTES, TEXT_BYTES);
    this.job = Buffer.from(shared, CELL_BYTES + TEXT_BYTES, TEXT_BYTES);
  }

  beat(): void {
    Atomics.add(this.cells, CELLS.beats, 1n);
  }

  get beats(): bigint {
    return Atomics.load(this.cells, CELLS.beats);
  }

  atRecord(partition: number, intake: Intake, offset: bigint, key: Buffer | null): void {
    this.cells[CELLS.partition] = BigInt(partition);
    this.cells[CELLS.offset] = offset;
    this.cells[CELLS.jobBytes] = BigInt(key === null ? 0 : key.copy(this.job, 0, 0, TEXT_BYTES));
    this.enter(FIRST_INTAKE + INTAKES.indexOf(intake));
  }

  atInput(partition: number | null, input: string, job: string): void {
    this.cells[CELLS.partition] = BigInt(partition ?? -1);
    this.cells[CELLS.inputBytes] = BigInt(this.input.write(input));
    this.cells[CELLS.jobBytes] = BigInt(this.job.write(job));
    this.enter(INPUT);
  }

  leave(): void {
    this.enter(NOWHERE);
  }

  /** Undefined: at nothing that was marked. */
  position(): StuckAt | undefined {
    const kind = Number(Atomics.load(this.cells, CELLS.kind));
    if (kind === NOWHERE) return undefined;
    const [partition, inputBytes, jobBytes] = ([CELLS.partition, CELLS.inputBytes, CELLS.jobBytes] as const).map(
      (cell) => Number(this.cells[cell]),
    );
    const intake = INTAKES[kind - FIRST_INTAKE];
    const input =
      intake === undefined ? this.input.toString('utf8', 0, inputBytes) : `${intake} ${this.cells[CELLS.offset]}`;
    return { partition: partition! < 0 ? null : partition!, input, job: this.job.toString('utf8', 0, jobBytes) };
  }

  private enter(kind: number): void {
    Atomics.store(this.cells, CELLS.kind, BigInt(kind));
  }
}
