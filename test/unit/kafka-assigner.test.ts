import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { assign } from '../../services/adapters/kafka/assigner.ts';
import type { Assignments, Member } from '../../services/adapters/kafka/assigner.ts';

const topic = (name: string, partitions: number) => ({ topic: name, partitions: [...Array(partitions).keys()] });
const member = (name: string, owned: readonly number[] = [], generation = 1): Member => ({
  memberId: `id-${name}`,
  memberName: name,
  generation,
  owned: owned.map((partition) => ({ topic: 't', partition })),
});
const of = (assignments: Assignments, name: string, of = 't'): number[] => assignments.get(`id-${name}`)?.[of] ?? [];

describe('the sticky assignor', () => {
  it('gives every partition to exactly one member, nobody two more than another, in whatever order it is asked', () => {
    const members = fc.uniqueArray(
      fc.record({ name: fc.nat(30), owned: fc.array(fc.nat(40), { maxLength: 20 }), generation: fc.nat(3) }),
      { selector: ({ name }) => name, minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(members, fc.nat(40), (all, partitions) => {
        const asked = all.map(({ name, owned, generation }) => member(String(name), owned, generation));
        const assignments = assign(asked, [topic('t', partitions)], false);
        const shares = asked.map(({ memberName }) => of(assignments, memberName));
        assert.deepEqual(
          shares.flat().sort((a, b) => a - b),
          topic('t', partitions).partitions,
        );
        const sizes = shares.map(({ length }) => length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
        const again = assign([...asked].reverse(), [topic('t', partitions)], false);
        assert.deepEqual(new Map([...again].sort()), new Map([...assignments].sort()));
      }),
    );
  });

  it('leaves owners their partitions when a member comes, but for its fair share', () => {
    const before = assign([member('a')], [topic('t', 12)], false);
    const after = assign([member('a', of(before, 'a')), member('b')], [topic('t', 12)], false);
    assert.deepEqual(
      [of(after, 'a'), of(after, 'b')],
      [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10, 11],
      ],
    );
  });

  it('moves only the partitions of a member that goes', () => {
    const after = assign([member('a', [0, 1, 10, 11]), member('b', [2, 3, 4, 5])], [topic('t', 12)], false);
    for (const kept of [0, 1, 10, 11]) assert.ok(of(after, 'a').includes(kept));
    for (const kept of [2, 3, 4, 5]) assert.ok(of(after, 'b').includes(kept));
  });

  it('believes the claim of the later generation', () => {
    const members = [member('a-zombie', [0, 1], 3), member('b-owner', [0, 1], 7)];
    const after = assign(members, [topic('t', 4)], false);
    assert.deepEqual(
      [of(after, 'b-owner'), of(after, 'a-zombie')],
      [
        [0, 1],
        [2, 3],
      ],
    );
  });

  it('keeps the same partition numbers of all topics together when copartitioned', () => {
    const members = [member('a'), member('b'), member('c')];
    const assignments = assign(members, [topic('t', 11), topic('u', 11)], true);
    for (const { memberName } of members) {
      assert.deepEqual(of(assignments, memberName, 'u'), of(assignments, memberName));
    }
  });

  it('gives members beyond the number of partitions nothing', () => {
    const assignments = assign([member('a'), member('b')], [topic('t', 1)], false);
    assert.deepEqual([of(assignments, 'a'), of(assignments, 'b')], [[0], []]);
  });
});
