/** Keys of the HTTP API in memory; see core/ports/api-keys.ts. */
import { isUsable } from '../../core/api-key.ts';
import type { ApiKey, ApiKeys, NewKey, StoredKey } from '../../core/ports/api-keys.ts';
import type { Clock } from '../../core/ports/clock.ts';

export class MemoryApiKeys implements ApiKeys {
  private readonly keys = new Map<string, StoredKey>();
  private readonly clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'>) {
    this.clock = clock;
  }

  async create({ ttlMs, ...key }: NewKey): Promise<ApiKey> {
    const createdAt = this.clock.now();
    const expiresAt = ttlMs === null ? null : createdAt + ttlMs;
    return this.store({ ...key, createdAt, expiresAt, revokedAt: null, lastUsedAt: null });
  }

  async find(prefix: string): Promise<StoredKey | undefined> {
    return this.keys.get(prefix);
  }

  async list(tenant?: string): Promise<ApiKey[]> {
    const found = [...this.keys.values()].filter((key) => tenant === undefined || key.tenant === tenant);
    return found
      .sort((a, b) => compare(a.tenant, b.tenant) || b.createdAt - a.createdAt || compare(a.prefix, b.prefix))
      .map(shown);
  }

  async revoke(prefix: string, tenant?: string): Promise<ApiKey | undefined> {
    const key = this.of(prefix, tenant);
    return key && this.store({ ...key, revokedAt: key.revokedAt ?? this.clock.now() });
  }

  async rotate(
    former: string,
    fresh: Pick<NewKey, 'prefix' | 'hash'>,
    graceMs: number,
    tenant?: string,
  ): Promise<ApiKey | undefined> {
    const key = this.of(former, tenant);
    const now = this.clock.now();
    if (key === undefined || !isUsable(key, now)) return undefined;
    this.store({ ...key, expiresAt: Math.min(key.expiresAt ?? Infinity, now + graceMs) });
    const ttlMs = key.expiresAt === null ? null : key.expiresAt - key.createdAt;
    return this.create({ ...fresh, tenant: key.tenant, name: key.name, scopes: key.scopes, ttlMs });
  }

  async used(prefixes: readonly string[]): Promise<void> {
    for (const prefix of prefixes) {
      const key = this.keys.get(prefix);
      if (key !== undefined) this.store({ ...key, lastUsedAt: this.clock.now() });
    }
  }

  async any(): Promise<boolean> {
    return [...this.keys.values()].some((key) => isUsable(key, this.clock.now()));
  }

  private of(prefix: string, tenant: string | undefined): StoredKey | undefined {
    const key = this.keys.get(prefix);
    return tenant === undefined || key?.tenant === tenant ? key : undefined;
  }

  private store(key: StoredKey): ApiKey {
    this.keys.set(key.prefix, key);
    return shown(key);
  }
}

function shown({ hash: _hash, ...key }: StoredKey): ApiKey {
  return key;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
