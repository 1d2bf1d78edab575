import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandRate } from '../../../services/api/command-rate.ts';
import type { Caller } from '../../../services/api/deps.ts';

const caller = (id: string): Caller => ({ tenant: 't', scopes: [], actor: { kind: 'key', id, name: id } });

void test('commands count, not the requests that carry them, each key for itself', () => {
  let now = 0;
  const rate = new CommandRate(100, { now: () => now });
  rate.take(caller('a'), 1_000);
  assert.throws(() => rate.take(caller('a'), 1), /100 commands a second; try again in 10 s/);
  rate.take(caller('b'), 1);
  now = 9_001;
  rate.take(caller('a'), 50);
  now = 9_100;
  assert.throws(() => rate.take(caller('a'), 1), { code: 'rate_limited', retryable: true });
});
