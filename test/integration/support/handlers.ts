/** Handlers of the tests. Each tells a table outside of Belfry what it did: the truth that promises are checked against. */
import pg from 'pg';
import { defineHandlers } from '../../../services/executor/handlers/define.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  max: 4,
  options: `-c search_path=${process.env.BELFRY_DB_SCHEMA}`,
});
pool.on('error', () => undefined); // a test may restart the database

async function tell(ctx: HandlerContext, what: string): Promise<void> {
  const values = [what, ctx.runId, ctx.jobId, ctx.idempotencyKey, ctx.attempt, process.pid, ctx.scheduledFor];
  const text =
    'INSERT INTO sink (what, run_id, job_id, idempotency_key, attempt, pid, scheduled_for) VALUES ($1, $2, $3, $4, $5, $6, $7)';
  await pool.query(text, values);
}

const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });

type Wait = { ms?: number };

export const handlers = defineHandlers({
  noop: () => ({ done: true }),
  /** Answers the event that made its run. */
  event: (ctx: HandlerContext) => ctx.event,
  /** Tells when it started, for measurements of lateness. */
  stamp: () => Date.now(),
  record: async (ctx: HandlerContext) => {
    await tell(ctx, 'start');
    return { attempt: ctx.attempt };
  },
  /** Works for a while and gives up when told to. */
  work: async (ctx: HandlerContext<Wait>) => {
    await tell(ctx, 'start');
    await sleep(ctx.payload.ms ?? 5_000, ctx.signal);
    await tell(ctx, ctx.signal.aborted ? 'aborted' : 'end');
    ctx.signal.throwIfAborted();
  },
  wait: async (ctx: HandlerContext<Wait>) => sleep(ctx.payload.ms ?? 1_000, ctx.signal),
  progress: async (ctx: HandlerContext<Wait>) => {
    ctx.progress(0.5, 'half way');
    await sleep(ctx.payload.ms ?? 1_000, ctx.signal);
  },
  /** Works on, whatever its signal says. */
  stubborn: async (ctx: HandlerContext<Wait>) => {
    await tell(ctx, 'start');
    await sleep(ctx.payload.ms ?? 5_000);
    await tell(ctx, 'end');
  },
  fails: async (ctx: HandlerContext) => {
    await tell(ctx, 'start');
    throw new Error(`attempt ${ctx.attempt} fails`);
  },
  /** Fails until an attempt. */
  flaky: async (ctx: HandlerContext<{ until: number }>) => {
    await tell(ctx, 'start');
    if (ctx.attempt < ctx.payload.until) throw new Error(`attempt ${ctx.attempt} fails`);
    return { attempt: ctx.attempt };
  },
  never: () => new Promise(() => undefined),
  'throws-text': () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what careless handlers do
    throw 'just text';
  },
  unserialisable: () => ({ big: 1n }),
  huge: () => ({ text: 'x'.repeat(100_000) }),
  blocks: (ctx: HandlerContext<Wait>) => {
    for (const end = Date.now() + (ctx.payload.ms ?? 1_000); Date.now() < end;);
    return { blocked: true };
  },
  /** Schedules a follow-up at once, fails until an attempt, and schedules another with its transaction. */
  schedules: async (ctx: HandlerContext<{ until: number }>) => {
    const now = { at: '2026-01-01T00:00:00Z' };
    await ctx.schedule(`${ctx.jobId}-next`, { type: 'CUSTOM', handler: 'record', schedule: now });
    const name = ctx.attempt < ctx.payload.until ? 'rolled-back' : 'committed';
    return ctx.transaction(async () => {
      await ctx.schedule(`${ctx.jobId}-${name}`, { type: 'CUSTOM', handler: 'noop', schedule: now });
      if (ctx.attempt < ctx.payload.until) throw new Error(`attempt ${ctx.attempt} fails`);
    });
  },
  /** Writes to the sink and settles in one transaction, after a while. */
  transaction: async (ctx: HandlerContext<Wait>) => {
    await sleep(ctx.payload.ms ?? 0);
    return ctx.transaction(async (client) => {
      await client.query(
        `INSERT INTO ${process.env.BELFRY_DB_SCHEMA}.sink (what, run_id, job_id, idempotency_key, attempt, pid, scheduled_for) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        ['transaction', ctx.runId, ctx.jobId, ctx.idempotencyKey, ctx.attempt, process.pid, ctx.scheduledFor],
      );
      return { committed: true };
    });
  },
});
