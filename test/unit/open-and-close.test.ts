/** What is opened once and shared, and what closes many things. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closeAll, closeInTurn } from '../../services/core/close-all.ts';
import { OpenOnce } from '../../services/core/open-once.ts';

describe('something that is opened once', () => {
  it('is opened once for all who ask, and closed once', async () => {
    let opened = 0;
    const closed: number[] = [];
    const once = new OpenOnce(
      async () => (opened += 1),
      async (value) => void closed.push(value),
    );
    assert.deepEqual(await Promise.all([once.get(), once.get()]), [1, 1]);
    assert.equal(await once.get(), 1);
    await once.close();
    await once.close();
    assert.deepEqual([opened, closed], [1, [1]]);
    await assert.rejects(once.get(), { code: 'closed', retryable: true });
  });

  it('forgets a failure before anybody hears of it: who asks again at once has another try', async () => {
    let tries = 0;
    const once = new OpenOnce(async () => {
      if ((tries += 1) < 3) throw new Error(`try ${tries}`);
      return tries;
    });
    const failed = Promise.all([assert.rejects(once.get(), /try 1/), assert.rejects(once.get(), /try 1/)]);
    const again = once.get().catch(() => once.get());
    await assert.rejects(again, /try 2/);
    await failed;
    assert.equal(await once.get(), 3);
  });

  it('is closed although it was still being opened', async () => {
    const way = Promise.withResolvers<string>();
    const closed: string[] = [];
    const once = new OpenOnce(
      () => way.promise,
      async (value) => void closed.push(value),
    );
    const asked = once.get();
    const closing = once.close();
    way.resolve('late');
    await Promise.all([asked, closing]);
    assert.deepEqual(closed, ['late']);
  });

  it('has nothing to close when it could not be opened', async () => {
    const once = new OpenOnce(
      () => Promise.reject(new Error('away')),
      () => assert.fail('there is nothing to close'),
    );
    const failed = assert.rejects(once.get(), /away/);
    await once.close();
    await failed;
  });
});

for (const [name, close] of Object.entries({ closeAll, closeInTurn })) {
  describe(name, () => {
    const fails = (text: string) => async (): Promise<never> => {
      throw new Error(text);
    };

    it('closes everything, and only then throws what failed', async () => {
      const closed: string[] = [];
      const closers = [fails('first'), async () => void closed.push('second'), async () => void closed.push('third')];
      await assert.rejects(close(closers), { name: 'Error', message: 'first' });
      assert.deepEqual(closed, ['second', 'third']);
    });

    it('throws all failures where there are several', async () => {
      const sync = (): never => {
        throw new Error('at once');
      };
      const together = await close([fails('one'), sync]).then(
        () => assert.fail('it did not throw'),
        (error: unknown) => error,
      );
      assert.ok(together instanceof AggregateError);
      assert.deepEqual([together.message, together.errors.length], ['one; at once', 2]);
      await close([]);
    });
  });
}
