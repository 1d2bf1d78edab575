import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bisect } from '../../services/core/bisect.ts';

class Refused extends Error {}
const isRefusal = (error: unknown): boolean => error instanceof Refused;

/** Does the work for whole numbers, of which some are wrong. */
async function done(count: number, wrong: readonly number[]) {
  const [taken, refused, calls]: [number[], number[], number[][]] = [[], [], []];
  const work = async (items: readonly number[]): Promise<void> => {
    calls.push([...items]);
    if (items.some((item) => wrong.includes(item))) throw new Refused();
    taken.push(...items);
  };
  const items = Array.from({ length: count }, (_, index) => index);
  await bisect(items, { work, isRefusal, onRefused: (item) => void refused.push(item) });
  return { taken, refused, calls };
}

void describe('a batch with wrong items', () => {
  void it('costs one call without any, and log n with one of them', async () => {
    assert.equal((await done(400, [])).calls.length, 1);
    assert.equal((await done(0, [])).calls.length, 0);
    for (let wrong = 0; wrong < 400; wrong += 7) {
      const { calls } = await done(400, [wrong]);
      assert.ok(calls.length <= 20, `${calls.length} calls for number ${wrong}`);
    }
  });

  void it('is done in its order but for the wrong ones, each of which was asked for alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.uniqueArray(fc.nat(59), { maxLength: 10 }), async (count, some) => {
        const wrong = some.filter((item) => item < count).sort((a, b) => a - b);
        const { taken, refused, calls } = await done(count, wrong);
        assert.deepEqual(refused, wrong);
        assert.deepEqual(
          taken,
          Array.from({ length: count }, (_, index) => index).filter((item) => !wrong.includes(item)),
        );
        for (const item of wrong) assert.ok(calls.some((items) => items.length === 1 && items[0] === item));
        assert.ok(calls.length <= 1 + 2 * wrong.length * Math.ceil(Math.log2(count + 1)), `${calls.length} calls`);
      }),
    );
  });

  void it('is not split where the error tells who is wrong', async () => {
    const calls: number[][] = [];
    const work = async (items: readonly number[]): Promise<void> => {
      calls.push([...items]);
      if (items.includes(7)) throw new Refused();
    };
    const refused: number[] = [];
    const items = Array.from({ length: 400 }, (_, index) => index);
    const isSuspect = (item: number): boolean => item === 7;
    await bisect(items, { work, isRefusal, isSuspect, onRefused: (item) => void refused.push(item) });
    assert.deepEqual([refused, calls.length], [[7], 3]);
  });

  void it('finds the wrong one also when the error suspects another', async () => {
    const refused: number[] = [];
    const work = async (items: readonly number[]): Promise<void> => {
      if (items.includes(3)) throw new Refused();
    };
    const isSuspect = (item: number): boolean => item === 5;
    await bisect([1, 3, 5], { work, isRefusal, isSuspect, onRefused: (item) => void refused.push(item) });
    assert.deepEqual(refused, [3]);
  });

  void it('ends with an error that is none of an item', async () => {
    const work = (): Promise<void> => Promise.reject(new TypeError('away'));
    await assert.rejects(bisect([1, 2], { work, isRefusal, onRefused: () => assert.fail() }), /away/);
  });
});
