/** Idempotency keys in memory; see core/ports/idempotency-keys.ts. */
import type { IdempotencyKeys } from '../../core/ports/idempotency-keys.ts';

export class MemoryIdempotencyKeys implements IdempotencyKeys {
  private readonly known = new Map<string, string>();

  async claim(tenant: string, key: string, fingerprint: string): Promise<boolean> {
    const id = `${tenant}\n${key}`;
    const first = this.known.get(id) ?? fingerprint;
    this.known.set(id, first);
    return first === fingerprint;
  }
}
