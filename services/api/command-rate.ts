/**
 * How many commands a key may send: a request may carry a thousand, and counting requests alone would make that limit a thousand times
 * as wide. A key that is within its rate may send a whole batch at once; what goes beyond is worked off before the next one.
 */
import { LRUCache } from 'lru-cache';
import { BelfryError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Caller } from './deps.ts';

const KEYS_KNOWN = 10_000;

export class CommandRate {
  private readonly perSecond: number;
  private readonly clock: Pick<Clock, 'now'>;
  /** When the commands of each key so far are worked off, ms. */
  private readonly until = new LRUCache<string, number>({ max: KEYS_KNOWN });

  constructor(perSecond: number, clock: Pick<Clock, 'now'>) {
    this.perSecond = perSecond;
    this.clock = clock;
  }

  /** Counts commands, which are sent then. @throws BelfryError `rate_limited` (retryable): none may be sent yet */
  take({ actor }: Caller, commands: number): void {
    const key = actor.id ?? '';
    const now = this.clock.now();
    const until = Math.max(now, this.until.get(key) ?? now);
    if (until - now >= 1_000) {
      const seconds = Math.ceil((until - now) / 1_000);
      const message = `A key may send ${this.perSecond} commands a second; try again in ${seconds} s.`;
      throw new BelfryError('rate_limited', message, { retryable: true });
    }
    this.until.set(key, until + (commands / this.perSecond) * 1_000);
  }
}
