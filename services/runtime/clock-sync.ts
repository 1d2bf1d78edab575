/**
 * Keeps the local clock on the database's time: it goes on by the machine's steady clock, which nobody sets, and is put right
 * from time to time.
 *
 * The database's answer was read before it arrived here, so `answer − arrival` never sets the clock ahead of the database:
 * a run may start a network delay late, never early. Of several samples the largest difference is the closest.
 */
import { messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

const SAMPLES = 5;
const PERIOD_MS = 10_000;
const WARN_OFFSET_MS = 500;

export type CorrectableClock = Clock & {
  /** Ms on a clock that nobody sets. */ steady(): number;
  /** The machine's own time of day, ms. */ machine(): number;
  /** @param offsetMs the time less the steady clock's */ correct(offsetMs: number): void;
};

export class ClockSync {
  /** The database's time less this machine's. */
  offsetMs = 0;
  private readonly stopping = new AbortController();
  private loop: Promise<void> = Promise.resolve();
  private readonly clock: CorrectableClock;
  private readonly databaseNow: () => Promise<number>;
  private readonly log: Log;

  constructor(clock: CorrectableClock, databaseNow: () => Promise<number>, log: Log) {
    this.clock = clock;
    this.databaseNow = databaseNow;
    this.log = log;
  }

  /** Measures once, so that nothing runs on an uncorrected clock, then goes on by itself. Waits for the database. */
  async start(): Promise<void> {
    while (!this.stopping.signal.aborted && !(await this.measure()))
      await this.clock.sleep(1_000, this.stopping.signal);
    this.loop = this.repeat();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async repeat(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.clock.sleep(PERIOD_MS, this.stopping.signal);
      if (!this.stopping.signal.aborted) await this.measure();
    }
  }

  private async measure(): Promise<boolean> {
    try {
      let best = -Infinity;
      for (let sample = 0; sample < SAMPLES; sample += 1) {
        const answer = await this.databaseNow();
        // Both clocks are cut to whole milliseconds: one more keeps the sum of the cuts from running ahead.
        best = Math.max(best, answer - this.clock.steady() - 1);
      }
      this.clock.correct(best);
      this.offsetMs = this.clock.now() - this.clock.machine();
      if (Math.abs(this.offsetMs) > WARN_OFFSET_MS)
        this.log.warn(
          { offsetMs: this.offsetMs },
          'this machine and the database disagree about the time; the database is followed',
        );
      return true;
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'the database does not tell the time; trying again');
      return false;
    }
  }
}
