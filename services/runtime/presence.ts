/** Says that a service lives, and which release it is, so that people see what a deployment is made of. */
import { messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { Polled } from './polled.ts';

const EVERY_MS = 10_000;

export type PresenceParts = {
  clock: Clock;
  log: Log;
  announce(): Promise<void>;
  withdraw(): Promise<void>;
};

/** Nothing depends on it: while the database is away it is silent, and a process that is killed is told by its age. */
export class Presence {
  private readonly parts: PresenceParts;
  private readonly polled: Polled<void>;

  constructor(parts: PresenceParts) {
    this.parts = parts;
    this.polled = new Polled(parts.clock, parts.log, EVERY_MS, () => parts.announce());
  }

  async end(): Promise<void> {
    await this.polled.stop();
    try {
      await this.parts.withdraw();
    } catch (error) {
      this.parts.log.debug({ reason: messageOf(error) }, 'the end of this service cannot be said');
    }
  }
}
