/**
 * Where the event loop of a process is, for whoever finds it stuck. Marks are set before anything is handled that others wrote, and
 * cleared after it. Implementation: `adapters/watchdog`.
 */
import type { Intake } from '../topics.ts';

export interface PositionMarks {
  /** At a record that a timer reads or applies. */
  record(partition: number, intake: Intake, offset: bigint, key: Buffer | null): void;
  /**
   * At something else.
   * @param partition of the job space; null: it has none
   * @param input its name: for a timer service that of `inputNames`
   */
  input(partition: number | null, input: string, job: string): void;
  /** At nothing of others any more. */
  clear(): void;
}

const nothing = (): void => undefined;
export const NO_MARKS: PositionMarks = Object.freeze({ record: nothing, input: nothing, clear: nothing });
