import { messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

/** A figure that costs a question to a server: asked in the background, so that a scrape costs nothing. */
export class Polled<T> {
  value: T | undefined;
  private readonly stopping = new AbortController();
  private readonly loop: Promise<void>;

  constructor(clock: Clock, log: Log, everyMs: number, read: () => Promise<T>) {
    this.loop = this.run(clock, log, everyMs, read);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async run(clock: Clock, log: Log, everyMs: number, read: () => Promise<T>): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        this.value = await read();
      } catch (error) {
        log.debug({ reason: messageOf(error) }, 'figures cannot be had right now');
      }
      await clock.sleep(everyMs, this.stopping.signal);
    }
  }
}
