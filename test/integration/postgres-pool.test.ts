/** Statements that nobody waits for any more. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

describe('a statement', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('pool', { max: 1 });
  const sleep = { name: 'sleep', text: 'SELECT pg_sleep(8)' };

  it('is given up at once when its signal aborts, and its connection goes to nobody else', async () => {
    const ending = new AbortController();
    const begun = performance.now();
    const given = pg().query(sleep, [], ending.signal);
    const next = pg().query({ name: 'one', text: 'SELECT 1 AS one' });
    setTimeout(() => ending.abort(new Error('over')), 50);
    await assert.rejects(given, /over/);
    assert.deepEqual(await next, [{ one: 1 }], 'there is one connection at the most');
    await assert.rejects(pg().query(sleep, [], ending.signal), /over/, 'nor is one begun');
    assert.ok(performance.now() - begun < 7_000);
  });

  it('that is done before its signal aborts answers as any other', async () => {
    const { signal } = new AbortController();
    assert.deepEqual(await pg().query({ name: 'two', text: 'SELECT $1::int AS two' }, [2], signal), [{ two: 2 }]);
  });
});
