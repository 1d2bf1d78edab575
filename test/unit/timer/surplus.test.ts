import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Surplus } from '../../../services/timer/surplus.ts';

const T0 = 1_000_000;
const surplusOf = (surplus: Surplus, tenant: string, count: number, now: number): number =>
  Array.from({ length: count }, () => surplus.place(tenant, 'due', now, true)).filter((place) => place === 'surplus')
    .length;

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
    assert.equal(surplus.place('a', 'another topic', T0, true), 'usual');
  });

  it('is nothing where there is one tenant alone: its records go everywhere', () => {
    const surplus = new Surplus();
    surplusOf(surplus, 'a', 100, T0);
    assert.equal(surplus.place('a', 'due', T0, false), 'anywhere');
  });

  it('is told of any number of tenants at once in a bounded memory', () => {
    const surplus = new Surplus();
    for (let index = 0; index < 50_000; index++) surplus.place(`tenant-${index}`, 'due', T0, true);
    assert.ok(surplus.size <= 20_000, `${surplus.size} buckets`);
  });

  it('is forgotten with those who made it, once they are calm', () => {
    const surplus = new Surplus();
    for (let index = 0; index < 1_000; index++) surplus.place(`tenant-${index}`, 'due', T0, true);
    for (const later of [4_000, 8_000]) surplus.place('a', 'due', T0 + later, true);
    assert.equal(surplus.size, 2);
    assert.equal(surplusOf(surplus, 'tenant-1', 20, T0 + 8_000), 0);
  });

  it('does not grow when the clock is set back', () => {
    const surplus = new Surplus();
    surplusOf(surplus, 'a', 20, T0);
    assert.equal(surplusOf(surplus, 'a', 10, T0 - 5_000), 10);
  });
});
