import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitText, span } from '../../../services/core/why/words.ts';

test('limits are told by what they are of', () => {
  assert.equal(limitText('tenant/acme', 5), "the tenant's quota of 5 concurrent runs");
  assert.equal(limitText('rate/acme', 5), "the tenant's quota of 5 starts a second");
  assert.equal(limitText('handler/acme/send/mail', 2), "the tenant's quota of 2 runs of send/mail at one time");
  assert.equal(limitText('key/acme/a/b', 3), 'the concurrency key a/b, of which 3 may run at one time');
  assert.equal(limitText('other', 1), 'the limit other of 1');
});

test('spans are as exact as people need them', () => {
  assert.deepEqual([350, 12_345, 3_723_000, 188_000_000].map(span), ['350ms', '12s', '1h2m', '2d4h']);
});
