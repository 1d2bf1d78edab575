import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shares } from '../../services/core/shares.ts';

const takeAll = (shares: Shares, tenant: string): number => {
  let taken = 0;
  while (shares.take(tenant) !== undefined) taken += 1;
  return taken;
};

void test('a tenant that takes all it can get leaves places to the others', () => {
  const shares = new Shares(8);
  assert.equal(takeAll(shares, 'greedy'), 4);
  assert.equal(takeAll(shares, 'second'), 2);
  assert.equal(takeAll(shares, 'third'), 1);
  assert.equal(takeAll(shares, 'fourth'), 1);
});

void test('a place given back twice is given back once', () => {
  const shares = new Shares(2);
  const release = shares.take('a')!;
  release();
  release();
  assert.equal(takeAll(shares, 'a'), 1);
  assert.equal(takeAll(shares, 'b'), 1);
  assert.equal(takeAll(shares, 'c'), 0);
});
