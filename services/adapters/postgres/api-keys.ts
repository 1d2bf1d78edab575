/** Keys of the HTTP API in PostgreSQL. */
import type { ApiKey, ApiKeys, NewKey, StoredKey } from '../../core/ports/api-keys.ts';
import type { Pg } from './pool.ts';

const FIELDS = `prefix, tenant, name, scopes, created_at AS "createdAt", expires_at AS "expiresAt",
  revoked_at AS "revokedAt", last_used_at AS "lastUsedAt"`;
const USABLE = 'revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now_ms())';

const CREATE = {
  name: 'key_create',
  text: `INSERT INTO api_keys (prefix, hash, tenant, name, scopes, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, now, now + $6 FROM now_ms() now RETURNING ${FIELDS}`,
};
const FIND = { name: 'key_find', text: `SELECT ${FIELDS}, hash FROM api_keys WHERE prefix = $1` };
const LIST = {
  name: 'key_list',
  text: `SELECT ${FIELDS} FROM api_keys WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant, created_at DESC, prefix`,
};
const REVOKE = {
  name: 'key_revoke',
  text: `UPDATE api_keys SET revoked_at = coalesce(revoked_at, now_ms())
         WHERE prefix = $1 AND ($2::text IS NULL OR tenant = $2) RETURNING ${FIELDS}`,
};
const ROTATE = {
  name: 'key_rotate',
  text: `WITH former AS (
           UPDATE api_keys SET expires_at = least(expires_at, now_ms() + $4::bigint)
           FROM (SELECT prefix AS locked, expires_at - created_at AS life FROM api_keys WHERE prefix = $1 FOR UPDATE) b
           WHERE prefix = locked AND ($5::text IS NULL OR tenant = $5) AND ${USABLE}
           RETURNING tenant, name, scopes, life)
         INSERT INTO api_keys (prefix, hash, tenant, name, scopes, created_at, expires_at)
         SELECT $2, $3, tenant, name, scopes, now, now + life FROM former, now_ms() now RETURNING ${FIELDS}`,
};
const USED = {
  name: 'key_used',
  text: 'UPDATE api_keys SET last_used_at = now_ms() WHERE prefix = ANY ($1::text[])',
};
const ANY = { name: 'key_any', text: `SELECT EXISTS (SELECT FROM api_keys WHERE ${USABLE}) AS found` };

export class PostgresApiKeys implements ApiKeys {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  async create({ prefix, hash, tenant, name, scopes, ttlMs }: NewKey): Promise<ApiKey> {
    const [key] = await this.pg.query<ApiKey>(CREATE, [prefix, hash, tenant, name, scopes, ttlMs]);
    return key as ApiKey;
  }

  async find(prefix: string): Promise<StoredKey | undefined> {
    return (await this.pg.query<StoredKey>(FIND, [prefix]))[0];
  }

  list(tenant?: string): Promise<ApiKey[]> {
    return this.pg.query<ApiKey>(LIST, [tenant ?? null]);
  }

  async revoke(prefix: string, tenant?: string): Promise<ApiKey | undefined> {
    return (await this.pg.query<ApiKey>(REVOKE, [prefix, tenant ?? null]))[0];
  }

  async rotate(
    former: string,
    { prefix, hash }: Pick<NewKey, 'prefix' | 'hash'>,
    graceMs: number,
    tenant?: string,
  ): Promise<ApiKey | undefined> {
    return (await this.pg.query<ApiKey>(ROTATE, [former, prefix, hash, graceMs, tenant ?? null]))[0];
  }

  async used(prefixes: readonly string[]): Promise<void> {
    await this.pg.query(USED, [prefixes]);
  }

  async any(): Promise<boolean> {
    return (await this.pg.query<{ found: boolean }>(ANY))[0]?.found ?? false;
  }
}
