import type { BelfryError, ErrorIds } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { KafkaConfig } from './connect.ts';
import { Denials } from './denials.ts';
import { classify } from './errors.ts';

/** What every part of the adapter is given. */
export class Context {
  readonly config: KafkaConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly denials: Denials;

  constructor({ config, log, clock }: { config: KafkaConfig; log: Log; clock: Clock }) {
    this.config = config;
    this.log = log;
    this.clock = clock;
    this.denials = new Denials(clock, log);
  }

  /** What was thrown, classified; a denial is remembered. @param ids what it was about, as far as the error does not say it */
  told(thrown: unknown, ids: ErrorIds = {}): BelfryError {
    return this.denials.note(classify(thrown, ids));
  }
}
