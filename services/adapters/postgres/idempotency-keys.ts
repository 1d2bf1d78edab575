/** Idempotency keys in PostgreSQL (schemas/sql/029-keys-and-cancels.sql). */
import { hash } from 'node:crypto';
import type { IdempotencyKeys } from '../../core/ports/idempotency-keys.ts';
import type { Pg } from './pool.ts';

/** The row of another that committed meanwhile is not seen here, only that there is one: then it is asked again. */
const CLAIM = {
  name: 'idempotency_claim',
  text: `WITH claimed AS (
           INSERT INTO idempotency_keys (id, fingerprint, at) VALUES ($1, $2, now_ms()) ON CONFLICT DO NOTHING RETURNING fingerprint)
         SELECT fingerprint = $2 AS same FROM claimed
         UNION ALL SELECT fingerprint = $2 FROM idempotency_keys WHERE id = $1`,
};

export class PostgresIdempotencyKeys implements IdempotencyKeys {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  async claim(tenant: string, key: string, fingerprint: string): Promise<boolean> {
    const values = [uuidOf(`${tenant}\n${key}`), uuidOf(fingerprint)];
    for (;;) {
      const [found] = await this.pg.query<{ same: boolean }>(CLAIM, values);
      if (found !== undefined) return found.same;
    }
  }
}

/** The first half of a SHA-256, as the type that holds 16 bytes. */
function uuidOf(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 32);
}
