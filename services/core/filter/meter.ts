/**
 * What one evaluation costs, counted while it runs.
 *
 * Invariant: every step of the evaluator is charged before it is done, so an evaluation ends at `MAX_WORK` whatever its expression
 * and its payload are. One unit is about the time in which a byte of text is compared (1 ns); the constants are upper
 * estimates, measured.
 */

/** Ends an evaluation: a field is missing, types do not fit, it costs too much. Without a stack: there may be thousands a second. */
export class EvaluationFailed {}
export const FAILED = new EvaluationFailed();

/** About 20 ms. The most that an ordinary filter takes on a payload of 256 KiB is a tenth of it. */
export const MAX_WORK = 16 * 1024 * 1024;

const NODE = 50;
const ELEMENT = 32;
/** An element that is copied: memory is made, and collected. */
const COPY = 64;
/** Making a formatter of a time zone. */
const ZONE = 100_000;

export class Meter {
  work = 0;

  node(): void {
    this.add(NODE);
  }

  element(): void {
    this.add(ELEMENT);
  }

  elements(count: number): void {
    this.add(count * ELEMENT);
  }

  copies(count: number): void {
    this.add(count * COPY);
  }

  /** Characters or bytes that are read one by one. */
  text(length: number): void {
    this.add(length);
  }

  zone(): void {
    this.add(ZONE);
  }

  private add(units: number): void {
    this.work += units;
    if (this.work > MAX_WORK) throw FAILED; // eslint-disable-line @typescript-eslint/only-throw-error -- see above
  }
}

/** @throws always */
export function fail(): never {
  throw FAILED; // eslint-disable-line @typescript-eslint/only-throw-error -- see above
}
