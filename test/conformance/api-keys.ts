/** What every store of API keys does. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import { KEY_BYTES, makeKey, readKey } from '../../services/core/api-key.ts';
import type { ApiKey, ApiKeys, NewKey } from '../../services/core/ports/api-keys.ts';

const HOUR_MS = 3_600_000;

/** @param open an empty store */
export function apiKeysConformance(name: string, open: () => Promise<ApiKeys>): void {
  void describe(`API keys: ${name}`, () => {
    let keys: ApiKeys;
    beforeEach(async () => {
      keys = await open();
    });

    const fresh = () => makeKey(randomBytes(KEY_BYTES));
    async function create(more: Partial<NewKey> = {}): Promise<ApiKey & { text: string }> {
      const { text, prefix, hash } = fresh();
      const scopes = ['read', 'run'] as const;
      const made = await keys.create({ prefix, hash, tenant: 'acme', name: 'ci', scopes, ttlMs: null, ...more });
      return { ...made, text };
    }

    void it('finds a key by its prefix, and its holder is known by the secret', async () => {
      const { text, prefix } = await create();
      const other = await create();
      const stored = await keys.find(prefix);
      assert.ok(stored);
      assert.deepEqual([stored.tenant, stored.name, stored.scopes], ['acme', 'ci', ['read', 'run']]);
      assert.equal(readKey(text)?.isOf(stored), true);
      assert.equal(readKey(other.text)?.isOf(stored), false);
      assert.equal(await keys.find('000000000000'), undefined);
    });

    void it('says whether there is a key that works', async () => {
      assert.equal(await keys.any(), false);
      const { prefix } = await create();
      assert.equal(await keys.any(), true);
      await keys.revoke(prefix);
      assert.equal(await keys.any(), false);
      await create({ ttlMs: 0 });
      assert.equal(await keys.any(), false, 'an expired one does not');
    });

    void it('lists keys of a tenant or of all, without what could be used', async () => {
      const mine = await create();
      const theirs = await create({ tenant: 'other', ttlMs: HOUR_MS });
      assert.deepEqual(
        (await keys.list('other')).map(({ prefix }) => prefix),
        [theirs.prefix],
      );
      const all = await keys.list();
      assert.deepEqual(
        all.map(({ prefix }) => prefix),
        [mine.prefix, theirs.prefix],
      );
      assert.ok(!('hash' in all[0]!));
      assert.equal(theirs.expiresAt, theirs.createdAt + HOUR_MS);
    });

    void it('revokes a key once, and never one of another tenant', async () => {
      const { prefix } = await create();
      assert.equal(await keys.revoke(prefix, 'other'), undefined);
      const revoked = await keys.revoke(prefix, 'acme');
      assert.ok(revoked?.revokedAt);
      assert.equal((await keys.revoke(prefix))?.revokedAt, revoked.revokedAt);
    });

    void it('rotates a key: a new one of its kind, and the former works on for the grace', async () => {
      const former = await create({ ttlMs: 24 * HOUR_MS });
      const { prefix, hash } = fresh();
      assert.equal(await keys.rotate(former.prefix, { prefix, hash }, HOUR_MS, 'other'), undefined);
      const made = await keys.rotate(former.prefix, { prefix, hash }, HOUR_MS);
      assert.deepEqual([made?.prefix, made?.tenant, made?.name, made?.scopes], [prefix, 'acme', 'ci', ['read', 'run']]);
      assert.equal((made?.expiresAt ?? 0) - (made?.createdAt ?? 0), 24 * HOUR_MS);
      const ending = await keys.find(former.prefix);
      assert.ok(Math.abs((ending?.expiresAt ?? 0) - (made?.createdAt ?? 0) - HOUR_MS) < 60_000);
      await keys.revoke(prefix);
      const again = fresh();
      assert.equal(await keys.rotate(prefix, again, HOUR_MS), undefined, 'one that is revoked stays so');
    });

    void it('notes the use of keys', async () => {
      const { prefix } = await create();
      await keys.used([prefix]);
      assert.ok((await keys.find(prefix))?.lastUsedAt);
    });
  });
}
