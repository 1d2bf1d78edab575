import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MUTATIONS } from '../simulation/mutations.ts';
import { planOf } from '../simulation/plan.ts';
import { simulate } from '../simulation/simulate.ts';

describe('the simulation', () => {
  it('repeats a seed exactly', async () => {
    const [first, second] = [await simulate(7, { isTraced: true }), await simulate(7, { isTraced: true })];
    assert.ok(first.trace.length > 50);
    assert.deepEqual(second.trace, first.trace);
    assert.equal(second.happened, first.happened);
  });

  it('finds no position of a source left behind, though a frozen process moves it back when it goes on', async () => {
    assert.deepEqual((await simulate(1748)).violations, []);
  });

  it('takes the wait for a commit whose run is another’s by now for no call of a handler', async () => {
    assert.deepEqual((await simulate(19967)).violations, []);
  });

  it('does something else for every seed', () => {
    assert.notDeepEqual(planOf(1), planOf(2));
  });

  it('finds what is wrong when a claim does not look for the row of its run', async () => {
    const mutation = MUTATIONS.find(({ name }) => name === 'claim')!;
    const found = new Set<string>();
    for (let seed = 1; seed <= 20 && !found.has('I4'); seed++) {
      const { violations } = await simulate(seed, { mutation });
      for (const { invariant } of violations) found.add(invariant);
    }
    assert.ok(found.has('I4'), 'handlers are called again');
  });
});
