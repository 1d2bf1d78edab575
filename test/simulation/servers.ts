/** What the simulated servers have in common. */
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import { BelfryError } from '../../services/core/errors.ts';

export const codec = jsonCodec();

export function away(): BelfryError {
  return new BelfryError('broker_unavailable', 'the broker is away', { retryable: true });
}
