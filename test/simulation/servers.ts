/** What the simulated servers have in common. */
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import { BelfryError } from '../../services/core/errors.ts';
import type { Clock } from '../../services/core/ports/clock.ts';
import type { SimClock } from './clock.ts';

/** Where KAFKA_MESSAGE jobs write to. */
export const ORDERS = 'orders';
export const codec = jsonCodec();

/** The servers' clock: their time is the true one. */
export function asClock(sim: SimClock): Clock {
  return { now: () => sim.now(), after: (ms, fn) => sim.after(ms, fn), sleep: (ms) => sim.sleep(ms) };
}

export function away(): BelfryError {
  return new BelfryError('broker_unavailable', 'the broker is away', { retryable: true });
}
