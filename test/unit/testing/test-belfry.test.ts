/** The testing kit, as its users' own tests would use it. */
import assert from 'node:assert/strict';
import { setTimeout as realSleep } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import { z } from 'zod';
import type { HandlerContext } from '../../../services/client/main.ts';
import { defineHandlers } from '../../../services/client/main.ts';
import type { Handlers } from '../../../services/executor/handlers/define.ts';
import { createTestBelfry, type TestBelfry, type TestBelfryOptions } from '../../../services/testing/main.ts';

async function up<H extends Handlers>(
  t: TestContext,
  handlers: H,
  options: Omit<TestBelfryOptions<H>, 'handlers'> = {},
): Promise<TestBelfry<H>> {
  const belfry = await createTestBelfry({ now: '2026-01-01T00:00:00Z', ...options, handlers });
  t.after(() => belfry.close());
  return belfry;
}

const custom = (handler: string, schedule: object) => ({ type: 'CUSTOM', handler, payload: {}, schedule }) as never;

describe('createTestBelfry', () => {
  it('runs a year of a daily job in well under a second, each run at its time', async (t) => {
    const belfry = await up(t, { report: () => 'done' });
    await belfry.schedule('report', custom('report', { cron: '0 9 * * *', timezone: 'Europe/Paris' }));
    const begunAt = performance.now();
    await belfry.advance('365d');
    t.diagnostic(`${Math.round(performance.now() - begunAt)} ms`);
    const runs = belfry.runs({ status: 'COMPLETED' });
    assert.equal(runs.length, 365);
    assert.ok(runs.every(({ scheduledFor, startedAt }) => startedAt!.getTime() === scheduledFor.getTime()));
    assert.equal(runs[0]!.scheduledFor.toISOString(), '2026-01-01T08:00:00.000Z');
    assert.equal(runs[180]!.scheduledFor.toISOString(), '2026-06-30T07:00:00.000Z');
    assert.equal(belfry.outcomes({ status: 'COMPLETED' }).length, 365);
    assert.equal(belfry.now().toISOString(), '2027-01-01T00:00:00.000Z');
  });

  it('a job that says a default says it: its handler does not come before it', async (t) => {
    const work = { sleep: (): Promise<void> => Promise.resolve() };
    const belfry = await up(t, {
      long: { timeout: '30s', retry: { maxRetries: 0 }, run: (): Promise<void> => work.sleep() },
      flaky: { retry: { maxRetries: 0 }, run: () => Promise.reject(new Error('no')) },
    });
    work.sleep = () => belfry.sleep('5m');
    const once = { in: '1s' };
    await belfry.schedule('says', { ...(custom('long', once) as object), timeout: '15m' } as never);
    await belfry.schedule('silent', custom('long', once));
    await belfry.schedule('retried', { ...(custom('flaky', once) as object), retry: { maxRetries: 3 } } as never);
    await belfry.schedule('once', custom('flaky', once));
    await belfry.advance('1h');
    const ends = belfry.runs().map(({ jobId, status, attempt }) => [jobId, status, attempt]);
    assert.deepEqual(Object.fromEntries(ends.map(([jobId, status, attempt]) => [jobId, `${status} ${attempt}`])), {
      says: 'COMPLETED 1',
      silent: 'FAILED 1',
      retried: 'FAILED 4',
      once: 'FAILED 1',
    });
  });

  it('stands still until it is advanced, and what is due at the very end has come to its end', async (t) => {
    const belfry = await up(t, { greet: (ctx: HandlerContext<{ name: string }>) => `hello ${ctx.payload.name}` });
    const job = { type: 'CUSTOM', handler: 'greet', payload: { name: 'Ada' }, schedule: { in: '3s' } } as const;
    const { nextFireAt } = await belfry.schedule('hello', job);
    assert.equal(nextFireAt!.toISOString(), '2026-01-01T00:00:03.000Z');
    await belfry.advance('2s999ms');
    assert.deepEqual(belfry.runs(), []);
    await belfry.advance('1ms');
    assert.deepEqual(
      belfry.outcomes().map(({ jobId, status, result }) => ({ jobId, status, result })),
      [{ jobId: 'hello', status: 'COMPLETED', result: 'hello Ada' }],
    );
  });

  it('retries as the job says, and gives up with the error code that users see', async (t) => {
    const attempts: string[] = [];
    const belfry = await up(t, {
      flaky: () => {
        attempts.push(belfry.now().toISOString().slice(17, 19));
        throw new Error('no luck');
      },
    });
    await belfry.schedule('flaky', { type: 'CUSTOM', handler: 'flaky', payload: {}, schedule: { in: '0s' } });
    await belfry.advance('1m');
    assert.deepEqual(attempts, ['00', '02', '06', '14']);
    const [run] = belfry.runs();
    assert.deepEqual([run!.status, run!.error], ['FAILED', { code: 'handler_error', message: 'no luck' }]);
    await belfry.replay('flaky', run!.runId);
    assert.equal(belfry.runs().length, 2);
  });

  it('long work passes in virtual time: an overlapping occurrence is skipped, a late one times out', async (t) => {
    const slow = (ctx: HandlerContext): Promise<void> => belfry.sleep('7m', ctx.signal);
    const belfry = await up(t, { slow });
    await belfry.schedule('slow', custom('slow', { every: '5m' }));
    await belfry.advance('21m');
    const seen = belfry.runs().map(({ status, reason }) => reason ?? status);
    assert.deepEqual(seen, ['COMPLETED', 'overlap', 'RUNNING', 'overlap']);
    await belfry.schedule('short', {
      ...(custom('slow', { in: '0s' }) as object),
      timeout: '1m',
      retry: { maxRetries: 0 },
    } as never);
    await belfry.advance('2m');
    assert.equal(belfry.runs({ jobId: 'short' })[0]!.error!.code, 'timeout');
  });

  it('waits for handlers that do something real, and lets time go on for one that hangs', async (t) => {
    const hang = (): Promise<never> => new Promise(() => undefined);
    const belfry = await up(t, { real: () => realSleep(30, 'done'), hang }, { patienceMs: 100 });
    await belfry.schedule('real', custom('real', { in: '1s' }));
    await belfry.advance('1s');
    assert.equal(belfry.runs({ jobId: 'real' })[0]!.result, 'done');
    await belfry.schedule('hang', { ...(custom('hang', { in: '1s' }) as object), retry: { maxRetries: 0 } } as never);
    await belfry.advance('20m');
    assert.equal(belfry.runs({ jobId: 'hang' })[0]!.error!.code, 'timeout');
  });

  it('a job can be paused, resumed, triggered and cancelled, also by a handler', async (t) => {
    const belfry = await up(t, {
      work: () => 'worked',
      boss: async () => void (await belfry.trigger('job', { payload: { n: 1 } })),
    });
    await belfry.schedule('job', custom('work', { every: '1h' }));
    await belfry.pause('job');
    await belfry.advance('2h');
    assert.equal(belfry.runs({ status: 'COMPLETED' }).length, 0);
    await belfry.resume('job');
    await belfry.advance('1h');
    assert.equal(belfry.runs({ status: 'COMPLETED' }).length, 1);
    await belfry.schedule('boss', custom('boss', { in: '1m' }));
    await belfry.advance('1m');
    assert.deepEqual(belfry.runs({ jobId: 'job', status: 'COMPLETED' }).length, 2);
    assert.equal((await belfry.cancel('job')).state, 'CANCELLED');
    await belfry.advance('5d');
    assert.equal(belfry.runs({ jobId: 'job', status: 'COMPLETED' }).length, 2);
  });

  it('commands side by side are all answered; one that no service would take is refused as in production', async (t) => {
    const belfry = await up(t, { work: () => 1 });
    const job = custom('work', { in: '1h' });
    const results = await Promise.all(['a', 'b', 'c'].map((id) => belfry.schedule(id, job)));
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['applied', 'applied', 'applied'],
    );
    await assert.rejects(belfry.schedule('d', custom('work', { cron: '61 * * * *' })), { code: 'invalid' });
    await assert.rejects(belfry.advance('soon'), { code: 'invalid' });
    await assert.rejects(belfry.advanceTo('2025-01-01T00:00:00Z'), { code: 'invalid' });
  });

  it('HTTP jobs are answered by the test, KAFKA_MESSAGE jobs write to its topics, queues have their executors', async (t) => {
    const options = { http: ({ url }: { url: string }) => ({ url }), topics: ['orders'], queues: ['reports'] };
    const belfry = await up(t, { work: () => 'reported' }, options);
    const url = 'https://example.com/ping';
    await belfry.schedule('ping', { type: 'HTTP_REQUEST', payload: { url }, schedule: { in: '1s' } } as never);
    const payload = { topic: 'orders', key: 'k', value: { order: 7 } };
    await belfry.schedule('order', { type: 'KAFKA_MESSAGE', payload, schedule: { in: '1s' } } as never);
    await belfry.schedule('report', { ...(custom('work', { in: '1s' }) as object), queue: 'reports' } as never);
    await belfry.advance('1s');
    assert.deepEqual(
      belfry.outcomes().map(({ status }) => status),
      ['COMPLETED', 'COMPLETED', 'COMPLETED'],
    );
    assert.deepEqual(belfry.runs({ jobId: 'ping' })[0]!.result, { url });
    const [message] = belfry.messages('orders');
    assert.deepEqual([message!.key, message!.value], ['k', '{"order":7}']);
  });

  it('ctx.transaction uses the connection that the test gives, and says so where there is none', async (t) => {
    const statements: string[] = [];
    const pg = { query: async (text: string) => void statements.push(text) } as never;
    const transfer = (ctx: HandlerContext) =>
      ctx.transaction(async (client) => {
        await client.query('INSERT');
        return 'moved';
      });
    const belfry = await up(t, { transfer }, { pg });
    await belfry.schedule('transfer', custom('transfer', { in: '1s' }));
    await belfry.advance('1s');
    assert.equal(belfry.runs()[0]!.result, 'moved');
    assert.deepEqual(statements, ['BEGIN', 'INSERT', 'COMMIT']);
    const without = await up(t, { transfer });
    await without.schedule('transfer', custom('transfer', { in: '1s' }));
    await without.advance('1s');
    assert.match(without.runs()[0]!.error!.message, /has no database/);
  });

  it('what a handler schedules is scheduled once, and with its transaction or not at all', async (t) => {
    const follow = (ctx: HandlerContext, jobId: string): Promise<void> =>
      ctx.schedule(jobId, { type: 'CUSTOM', handler: 'next', schedule: { in: '1m' } });
    const belfry = await up(t, {
      first: async (ctx: HandlerContext) => {
        await follow(ctx, 'at-once');
        await ctx.transaction(async () => {
          await follow(ctx, `attempt-${ctx.attempt}`);
          if (ctx.attempt < 3) throw new Error('rolled back');
        });
      },
      next: () => 'next',
      wrong: (ctx: HandlerContext) => ctx.schedule('x', { type: 'CUSTOM', handler: 'next', schedule: { in: 'soon' } }),
    });
    await belfry.schedule('first', custom('first', { in: '1s' }));
    await belfry.advance('5m');
    const ids = belfry.outcomes().map(({ jobId }) => jobId);
    assert.deepEqual(ids.sort(), ['at-once', 'attempt-3', 'first']);
    await belfry.schedule('wrong', { ...(custom('wrong', { in: '1s' }) as object), retry: { maxRetries: 0 } } as never);
    await belfry.advance('1s');
    assert.match(belfry.runs({ jobId: 'wrong' })[0]!.error!.message, /job\.schedule\.in must be a duration/);
  });

  it('the types know handlers and payloads', async (t) => {
    const handlers = defineHandlers({
      greet: { payload: z.object({ name: z.string() }), run: (ctx) => ctx.payload.name },
    });
    const belfry = await up(t, handlers);
    const heard: unknown[] = [];
    await belfry.onCompleted(({ result }) => heard.push(result));
    await belfry.schedule('a', { type: 'CUSTOM', handler: 'greet', payload: { name: 'Ada' }, schedule: { in: '1s' } });
    // @ts-expect-error the payload has a name
    await belfry.schedule('b', { type: 'CUSTOM', handler: 'greet', payload: {}, schedule: { in: '1s' } });
    await belfry.advance('2s');
    assert.deepEqual(heard, ['Ada']);
    assert.equal(belfry.runs({ jobId: 'b' })[0]!.error!.code, 'payload_invalid');
  });
});
