/** What every store of idempotency keys does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IdempotencyKeys } from '../../services/core/ports/idempotency-keys.ts';

/** @param others stores of other processes on the same database */
export function idempotencyKeysConformance(
  name: string,
  open: () => { own: IdempotencyKeys; others: IdempotencyKeys },
): void {
  void test(`${name}: a key stands for the request that took it, in every process`, async () => {
    const { own, others } = open();
    assert.ok(await own.claim('acme', 'k', 'first'));
    assert.ok(await own.claim('acme', 'k', 'first'), 'the same request again');
    assert.equal(await others.claim('acme', 'k', 'second'), false);
    assert.ok(await others.claim('acme', 'k', 'first'));
    assert.ok(await others.claim('other', 'k', 'second'), 'of another tenant');
    assert.ok(await others.claim('acme', 'l', 'second'), 'another key');
  });

  void test(`${name}: of requests that come at once with one key, one gets it`, async () => {
    const { own, others } = open();
    for (let round = 0; round < 20; round += 1) {
      const claims = Array.from({ length: 8 }, (_, n) =>
        (n % 2 === 0 ? own : others).claim('acme', `race-${round}`, String(n)),
      );
      assert.equal((await Promise.all(claims)).filter(Boolean).length, 1);
    }
  });
}
