/**
 * Keys of the HTTP API. A key belongs to one tenant: that is where a request's tenant comes from. Times are ms of the store's
 * clock. Implementation: `adapters/postgres/api-keys.ts`.
 *
 * Errors: BelfryError `store_unavailable` (retryable), `not_migrated`.
 */

/** read: look. run: trigger and replay. write: change jobs. admin: all of it, and keys. */
export const SCOPES = ['read', 'run', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export type ApiKey = {
  prefix: string;
  tenant: string;
  /** For people. */
  name: string;
  scopes: readonly Scope[];
  createdAt: number;
  /** null: never. */
  expiresAt: number | null;
  revokedAt: number | null;
  /** To the minute. */
  lastUsedAt: number | null;
};

export type StoredKey = ApiKey & { hash: Buffer };

/** `ttlMs`: how long it works, ms; null: until it is revoked. */
export type NewKey = Pick<StoredKey, 'prefix' | 'hash' | 'tenant' | 'name' | 'scopes'> & { ttlMs: number | null };

export interface ApiKeys {
  create(key: NewKey): Promise<ApiKey>;
  find(prefix: string): Promise<StoredKey | undefined>;
  /** By tenant, the latest first; revoked and expired ones too. @param tenant undefined: of all */
  list(tenant?: string): Promise<ApiKey[]>;
  /** Ends a key at once. @returns the key as it is then; undefined when there is no such one, or not of this tenant */
  revoke(prefix: string, tenant?: string): Promise<ApiKey | undefined>;
  /**
   * Makes a key with the tenant, name, scopes and life of another one, which ends after `graceMs` at the latest: both or neither.
   * @returns the new key; undefined when there is no such former one that still works, or not of this tenant
   */
  rotate(
    former: string,
    key: Pick<NewKey, 'prefix' | 'hash'>,
    graceMs: number,
    tenant?: string,
  ): Promise<ApiKey | undefined>;
  /** Notes that keys are in use. */
  used(prefixes: readonly string[]): Promise<void>;
  /** Whether there is a key that works. */
  any(): Promise<boolean>;
}
