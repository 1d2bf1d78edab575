/**
 * Ends a process whose event loop is stuck, so that others take its work: a thread watches it (`watchdog-thread.ts`). A loop that
 * waits for a server turns all the same, and is not stuck.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { PositionMarks } from '../../core/ports/position-marks.ts';
import { WatchCells } from './cells.ts';
import type { WatchdogData } from './watchdog-thread.ts';

const ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? './watchdog-thread.ts' : './watchdog-thread.js',
  import.meta.url,
);
/** Of the time after which a loop is stuck. */
const BEATS = 5;

export type WatchdogOptions = Omit<WatchdogData, 'shared' | 'everyMs'> & { clock: Pick<Clock, 'after'>; log: Log };

export class Watchdog {
  readonly marks: PositionMarks;
  private readonly worker: Worker;
  private cancelBeat = (): void => undefined;

  constructor({ clock, log, ...data }: WatchdogOptions) {
    const cells = new WatchCells();
    const everyMs = data.stuckAfterMs / BEATS;
    this.marks = {
      record: (partition, intake, offset, key) => cells.atRecord(partition, intake, offset, key),
      input: (partition, input, job) => cells.atInput(partition, input, job),
      clear: () => cells.leave(),
    };
    const beat = (): void => {
      cells.beat();
      this.cancelBeat = clock.after(everyMs, beat);
    };
    beat();
    this.worker = new Worker(ENTRY, { workerData: { ...data, everyMs, shared: cells.shared } satisfies WatchdogData });
    this.worker.unref();
    this.worker.on('error', (error: Error) => {
      log.error({ err: error }, 'the watchdog ended: nobody sees whether the event loop is stuck');
    });
  }

  async stop(): Promise<void> {
    this.cancelBeat();
    await this.worker.terminate();
  }
}
