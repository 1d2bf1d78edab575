import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FairQueue } from '../../../services/core/fair-queue.ts';
import { PRIORITIES, type Priority } from '../../../services/core/model.ts';

type Item = { priority: Priority; number: number };

function filled(counts: Record<Priority, number>): FairQueue<Item> {
  const queue = new FairQueue<Item>();
  for (const priority of PRIORITIES) {
    for (let number = 0; number < counts[priority]; number++) queue.push(priority, { priority, number });
  }
  return queue;
}
const count = (items: readonly Item[], priority: Priority): number =>
  items.filter((item) => item.priority === priority).length;

describe('the fair queue', () => {
  it('grants 7 high, 2 medium and 1 low of every 10 while all wait, one at a time or many at once', () => {
    for (const size of [1, 3, 10, 100]) {
      const queue = filled({ high: 1_000, medium: 1_000, low: 1_000 });
      const granted: Item[] = [];
      while (granted.length < 300) granted.push(...queue.take(size));
      for (let at = 0; at + 10 <= granted.length; at += 10) {
        const window = granted.slice(at, at + 10);
        assert.deepEqual(
          PRIORITIES.map((priority) => count(window, priority)),
          [7, 2, 1],
        );
      }
    }
  });

  it('starts with high', () => {
    assert.equal(filled({ high: 1, medium: 1, low: 1 }).take(1)[0]?.priority, 'high');
  });

  it('lends an idle share, and owes nothing for it later', () => {
    const queue = filled({ high: 0, medium: 100, low: 100 });
    const before = queue.take(30);
    assert.deepEqual([count(before, 'medium'), count(before, 'low')], [20, 10]);
    for (let number = 0; number < 100; number++) queue.push('high', { priority: 'high', number });
    const after = queue.take(10);
    assert.ok(count(after, 'high') <= 8 && count(after, 'high') >= 6);
  });

  it('owes nothing to a priority whose items did not fit for a long time', () => {
    const queue = filled({ high: 500, medium: 0, low: 500 });
    queue.take(200, (item) => item.priority !== 'low');
    const after = queue.take(16);
    assert.ok(count(after, 'low') <= 3, `low got ${count(after, 'low')} of 16`);
  });

  it('keeps the order of a priority, loses and doubles nothing: any counts, sizes and misfits', () => {
    const counts = fc.record({ high: fc.nat(30), medium: fc.nat(30), low: fc.nat(30) });
    fc.assert(
      fc.property(
        counts,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 200, maxLength: 200 }),
        (sizes, takes) => {
          const queue = filled(sizes);
          const granted: Item[] = [];
          takes.forEach((size, turn) => {
            const misfit = turn % 5;
            granted.push(...queue.take(size, (item) => turn > 150 || item.number % 5 !== misfit));
          });
          assert.equal(queue.size(), 0);
          const keys = granted.map((item) => `${item.priority} ${item.number}`);
          assert.equal(new Set(keys).size, sizes.high + sizes.medium + sizes.low);
          assert.equal(keys.length, new Set(keys).size);
        },
      ),
    );
  });

  it('keeps those that do not fit in their place', () => {
    const queue = filled({ high: 4, medium: 0, low: 0 });
    assert.deepEqual(
      queue.take(2, (item) => item.number > 1).map((item) => item.number),
      [2, 3],
    );
    assert.deepEqual(
      queue.take(2).map((item) => item.number),
      [0, 1],
    );
  });

  it('gives out what matches, oldest and highest first', () => {
    const queue = filled({ high: 2, medium: 2, low: 2 });
    const removed = queue.remove((item) => item.number === 1, 2);
    assert.deepEqual(
      removed.map((item) => item.priority),
      ['high', 'medium'],
    );
    assert.equal(queue.size(), 4);
  });

  describe('with several tenants', () => {
    type Owned = { tenant: string; number: number };
    const owned = (counts: Record<string, number>): FairQueue<Owned> => {
      const queue = new FairQueue<Owned>(({ tenant }) => tenant);
      for (const [tenant, many] of Object.entries(counts)) {
        for (let number = 0; number < many; number++) queue.push('medium', { tenant, number });
      }
      return queue;
    };
    const names = (items: readonly Owned[]): string =>
      items.map(({ tenant, number }) => `${tenant}${number}`).join(' ');

    it('lets them take turns, one at a time or many at once', () => {
      const expected = 'a0 b0 c0 a1 c1 a2 a3';
      assert.equal(names(owned({ a: 4, b: 1, c: 2 }).take(7)), expected);
      const queue = owned({ a: 4, b: 1, c: 2 });
      assert.equal(names(Array.from({ length: 7 }, () => queue.take(1)).flat()), expected);
    });

    it('gives whoever comes next a turn before the second of a flood', () => {
      const queue = owned({ a: 5_000 });
      queue.take(100);
      queue.push('medium', { tenant: 'b', number: 0 });
      assert.match(names(queue.take(2)), /b0/);
    });

    it('lends the turn of one whose items do not fit, and keeps their place', () => {
      const queue = owned({ a: 2, b: 3 });
      assert.equal(names(queue.take(3, ({ tenant }) => tenant === 'b')), 'b0 b1 b2');
      assert.equal(names(queue.take(3)), 'a0 a1');
      assert.equal(queue.size(), 0);
    });

    it('loses and repeats nothing, whatever is taken, refused and removed', () => {
      const step = fc.record({ limit: fc.nat(6), refused: fc.constantFrom('a', 'b', 'c', ''), removes: fc.boolean() });
      fc.assert(
        fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(9)), fc.array(step), (counts, steps) => {
          const queue = owned(counts);
          const gone: Owned[] = [];
          for (const { limit, refused, removes } of steps) {
            gone.push(...(removes ? queue.remove((item) => item.tenant === refused, limit) : []));
            gone.push(...queue.take(limit, (item) => item.tenant !== refused));
          }
          gone.push(...queue.take(Infinity));
          assert.equal(queue.size(), 0);
          for (const [tenant, many] of Object.entries(counts)) {
            const numbers = gone.filter((item) => item.tenant === tenant).map(({ number }) => number);
            assert.deepEqual(
              numbers,
              Array.from({ length: many }, (_, number) => number),
            );
          }
        }),
      );
    });
  });
});
