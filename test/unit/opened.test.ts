/** A start that throws half way leaves nothing open. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allEnded, keepOpen } from '../support/opened.ts';

/** Opens these, each after so many turns of the event loop; one of them fails. @returns what was open at the end, in the order of closing */
async function start(fails: string | null, turns: Readonly<Record<string, number>>): Promise<string[]> {
  const closed: string[] = [];
  const open = async (name: string): Promise<string> => {
    for (let turn = 0; turn < turns[name]!; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (name === fails) throw new Error(`${name} does not start`);
    return name;
  };
  async function startAll(): Promise<AsyncDisposableStack> {
    await using opened = new AsyncDisposableStack();
    const names = Object.keys(turns);
    await allEnded(names.map((name) => keepOpen(opened, open(name), async (thing) => closed.push(thing))));
    return opened.move();
  }
  const started = startAll();
  if (fails !== null) await assert.rejects(started, new Error(`${fails} does not start`));
  else {
    const opened = await started;
    assert.deepEqual(closed, [], 'all is open');
    await opened.disposeAsync();
  }
  return closed;
}

describe('what a start has opened', () => {
  it('is closed when it throws, also what was still being opened', async () => {
    assert.deepEqual(await start('b', { a: 0, b: 1, c: 5 }), ['c', 'a']);
  });

  it('is handed on when it succeeds, and closed in the reverse order', async () => {
    assert.deepEqual(await start(null, { a: 0, b: 1, c: 5 }), ['c', 'b', 'a']);
  });
});
