import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Surplus } from '../../../services/timer/surplus.ts';

const T0 = 1_000_000;
const surplusOf = (surplus: Surplus, tenant: string, count: number, now: number): number =>
  Array.from({ length: count }, () => surplus.take(tenant, 'due', now)).filter(Boolean).length;

describe('the surplus of a tenant', () => {
  it('is what goes beyond a burst, and beyond a few a second after it', () => {
    const surplus = new Surplus();
    assert.equal(surplusOf(surplus, 'a', 100, T0), 80);
    assert.equal(surplusOf(surplus, 'a', 100, T0 + 1_000), 95);
    assert.equal(surplusOf(surplus, 'a', 20, T0 + 60_000), 0, 'calm again');
  });

  it('is nobody else’s', () => {
    const surplus = new Surplus();
    surplusOf(surplus, 'a', 100, T0);
    assert.equal(surplusOf(surplus, 'b', 20, T0), 0);
    assert.equal(surplus.take('a', 'another topic', T0), false);
  });

  it('does not grow when the clock is set back', () => {
    const surplus = new Surplus();
    surplusOf(surplus, 'a', 20, T0);
    assert.equal(surplusOf(surplus, 'a', 10, T0 - 5_000), 10);
  });
});
