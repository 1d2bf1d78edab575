import { MemoryIdempotencyKeys } from '../../services/adapters/memory/idempotency-keys.ts';
import { idempotencyKeysConformance } from '../conformance/idempotency-keys.ts';

idempotencyKeysConformance('memory', () => {
  const own = new MemoryIdempotencyKeys();
  return { own, others: own };
});
