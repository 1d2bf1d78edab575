import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StreamPlaces } from '../../../services/api/stream-places.ts';

describe('places for streams', () => {
  const open = (total: number) => {
    const places = new StreamPlaces(total);
    const ended: string[] = [];
    let made = 0;
    const take = (tenant: string): (() => void) | undefined => {
      const name = `${tenant}${(made += 1)}`;
      return places.take(tenant, () => void ended.push(name));
    };
    return { take, ended };
  };

  it('are all one tenant’s while nobody else wants one', () => {
    const { take, ended } = open(4);
    assert.equal([1, 2, 3, 4, 5].filter(() => take('a') !== undefined).length, 4);
    assert.deepEqual(ended, []);
  });

  it('are shared evenly when others come: the latest streams of who has most end', () => {
    const { take, ended } = open(4);
    for (let n = 0; n < 4; n += 1) take('a');
    assert.ok(take('b'));
    assert.ok(take('b'));
    assert.deepEqual(ended, ['a4', 'a3']);
    assert.equal(take('b'), undefined, 'nobody has more');
    assert.equal(take('a'), undefined);
    assert.ok(take('c'), 'one that has none takes one of two');
    assert.ok(take('d'));
    assert.equal(take('e'), undefined, 'each has one');
  });

  it('do not go back and forth: a stream that was ended does not displace the one that it made room for', () => {
    const { take, ended } = open(3);
    for (let n = 0; n < 3; n += 1) take('a');
    take('b');
    assert.deepEqual(ended, ['a3']);
    assert.equal(take('a'), undefined);
  });

  it('come back once, also of a stream that was ended', () => {
    const { take } = open(2);
    const [first, second] = [take('a'), take('a')];
    assert.ok(take('b'), 'a2 ends');
    second?.();
    assert.equal(take('b'), undefined);
    first?.();
    first?.();
    assert.ok(take('c'));
    assert.equal(take('c'), undefined);
  });
});
