import { BelfryError } from '../core/errors.ts';
import { explainInstant, isInstant, parseInstant } from '../core/spec/instant.ts';

/**
 * A time that a test was given, ms since the epoch. Text is read as Belfry reads it, with an offset: without one it would mean
 * another time on each machine.
 * @throws BelfryError `invalid`
 */
export function timeOf(time: string | Date): number {
  const ms = typeof time === 'string' ? parseInstant(time) : time.getTime();
  if (ms !== undefined && isInstant(ms)) return ms;
  const why = typeof time === 'string' ? explainInstant(time) : 'must lie between the years 1970 and 9999';
  throw new BelfryError('invalid', `The time "${String(time)}" ${why}.`);
}
