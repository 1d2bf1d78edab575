/**
 * What Kafka denies this process at present. A permission that is missing is nobody's fault in the data: whatever needs it is tried again
 * until it is granted, so a denial that is not repeated for a while is over.
 */
import type { BelfryError } from '../../core/errors.ts';
import type { Denial } from '../../core/ports/broker.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import { BrokerDenied } from './errors.ts';

/** Retries come every few seconds. */
const OVER_AFTER_MS = 15_000;
/** Names may be users' words: targets of messages. */
const MAX_DENIALS = 1_000;

export class Denials {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly seen = new Map<string, Denial & { at: number }>();

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  /** Remembers the error if it is a denial, and logs one that is new. @returns the error */
  note(error: BelfryError): BelfryError {
    if (!(error instanceof BrokerDenied)) return error;
    const { denial } = error;
    const key = `${denial.resource} ${denial.name}`;
    const isNew = !this.isCurrent(this.seen.get(key)?.at);
    this.seen.delete(key); // the latest stands last
    this.seen.set(key, { ...denial, at: this.clock.now() });
    const [oldest] = this.seen.keys();
    if (this.seen.size > MAX_DENIALS && oldest !== undefined) this.seen.delete(oldest);
    if (isNew) this.log.error({ ...denial }, error.message);
    return error;
  }

  current(): Denial[] {
    for (const [key, { at }] of this.seen) if (!this.isCurrent(at)) this.seen.delete(key);
    return [...this.seen.values()].map(({ at: _, ...denial }) => denial);
  }

  private isCurrent(at: number | undefined): boolean {
    return at !== undefined && this.clock.now() - at < OVER_AFTER_MS;
  }
}
