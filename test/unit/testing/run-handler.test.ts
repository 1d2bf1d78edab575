import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { BelfryError, defineHandlers } from '../../../services/client/main.ts';
import { runHandler } from '../../../services/testing/main.ts';

const handlers = defineHandlers({
  greet: {
    payload: z.object({ name: z.string() }),
    retry: { maxRetries: 1, initialDelay: '5s' },
    async run(ctx) {
      if (ctx.payload.name === '') throw new Error('nobody there');
      ctx.progress(0.5, 'half');
      return { hello: ctx.payload.name, attempt: ctx.attempt, of: ctx.maxAttempts, job: ctx.jobId };
    },
  },
});

describe('runHandler', () => {
  it('gives the handler its payload and a whole ctx, and answers the result', async () => {
    const outcome = await runHandler(handlers.greet, { payload: { name: 'Ada' }, attempt: 2, jobId: 'hello' });
    assert.equal(outcome.status, 'COMPLETED');
    assert.deepEqual(outcome.result, { hello: 'Ada', attempt: 2, of: 2, job: 'hello' });
    assert.deepEqual(outcome.progress, { fraction: 0.5, note: 'half' });
  });

  it('a payload that does not fit is payload_invalid, at once', async () => {
    const outcome = await runHandler(handlers.greet, { payload: { name: 7 as never } });
    assert.deepEqual([outcome.status, outcome.error!.code], ['FAILED', 'payload_invalid']);
  });

  it('what is thrown is the code that users see, retried as handler and job say', async () => {
    const first = await runHandler(handlers.greet, { payload: { name: '' } });
    assert.deepEqual([first.status, first.retryInMs], ['RETRYING', 5_000]);
    assert.deepEqual(first.error, { code: 'handler_error', message: 'nobody there' });
    const last = await runHandler(handlers.greet, { payload: { name: '' }, attempt: 2 });
    assert.equal(last.status, 'FAILED');
    const forGood = await runHandler(() => {
      throw new BelfryError('conflict', 'for good');
    });
    assert.deepEqual([forGood.status, forGood.error!.code], ['FAILED', 'handler_error']);
  });

  it('a default that the job says comes before what the handler says', async () => {
    const said = await runHandler(handlers.greet, { payload: { name: '' }, attempt: 2, retry: { maxRetries: 3 } });
    assert.deepEqual([said.status, said.retryInMs], ['RETRYING', 10_000]);
  });

  it('a handler that takes too long fails with timeout', async () => {
    const run = (ctx: { signal: AbortSignal }) =>
      new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error)));
    const outcome = await runHandler(run, { timeout: '20ms', retry: { maxRetries: 0 } });
    assert.deepEqual([outcome.status, outcome.error!.code], ['FAILED', 'timeout']);
  });

  it('a transaction is committed with its result, and rolled back with what it throws', async () => {
    const statements: string[] = [];
    const pg = { query: async (text: string) => void statements.push(text) } as never;
    const done = await runHandler((ctx) => ctx.transaction(async (client) => client.query('INSERT').then(() => 1)), {
      pg,
    });
    assert.equal(done.result, 1);
    await runHandler((ctx) => ctx.transaction(() => Promise.reject(new Error('no'))), { pg });
    assert.deepEqual(statements, ['BEGIN', 'INSERT', 'COMMIT', 'BEGIN', 'ROLLBACK']);
  });

  it('tells what the handler scheduled', async () => {
    const job = { type: 'CUSTOM', handler: 'next', schedule: { in: '1m' } } as const;
    const { scheduled } = await runHandler(async (ctx) => {
      await ctx.schedule('a', job);
      await ctx.transaction(() => ctx.schedule('b', job));
    });
    assert.deepEqual(
      scheduled.map(({ jobId }) => jobId),
      ['a', 'b'],
    );
  });

  it('options that no service would take are refused', async () => {
    await assert.rejects(
      runHandler(() => 1, { timeout: 'long' }),
      { code: 'invalid', field: 'timeout' },
    );
  });
});
