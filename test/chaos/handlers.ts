/**
 * Handlers of a chaos run: they end well, badly, late or never, and tell a sink with a server of its own, which nothing befalls,
 * what they did. The work begins when the sink knows of it: a call that it does not know had no effect.
 *
 * Times are CLOCK_MONOTONIC's, which all processes of a machine share and nobody sets: the clock of this process may be shifted.
 */
import pg from 'pg';
import { defineHandlers } from '../../services/executor/handlers/define.ts';
import type { HandlerContext } from '../../services/executor/handlers/handler.ts';
import { IN_TRANSACTION } from '../checker/history.ts';
import { Random } from '../support/random.ts';
import { steadyMs } from './steady-time.ts';

const { CHAOS_SINK = '', CHAOS_NODE = '', CHAOS_SEED = '', CHAOS_LIMITED } = process.env;
const sink = new pg.Pool({ connectionString: CHAOS_SINK, max: 8 });
sink.on('error', () => undefined); // it ends with the run

type Work = (ctx: HandlerContext, random: Random, sleep: (ms: number) => Promise<void>) => unknown;

const WORK: Record<string, Work> = {
  beat: () => undefined,
  quick: (_ctx, random, sleep) => sleep(random.int(1, 300)),
  slow: (_ctx, random, sleep) => sleep(random.int(1_000, 3_800)),
  /** Past the end of a lease, or past the time after which a run is detached from its offset. */
  long: (_ctx, random, sleep) => sleep(random.chance(0.3) ? random.int(30_500, 33_000) : random.int(7_000, 11_000)),
  flaky: async (_ctx, random, sleep) => {
    await sleep(random.int(1, 500));
    if (random.chance(0.15)) throw Object.assign(new Error('for good'), { retryable: false });
    if (random.chance(0.55)) throw new Error('bad luck');
  },
  hanging: (_ctx, random, sleep) => sleep(random.chance(0.5) ? 600_000 : random.int(1, 200)),
  /** It works on, whatever its signal says. */
  stubborn: (_ctx, random, sleep) => sleep(random.chance(0.5) ? random.int(4_500, 8_000) : random.int(1, 200)),
  /** It obeys its signal also while the database does not answer; what was under way there commits under the token, or not at all. */
  transaction: async (ctx, random, sleep) => {
    await sleep(random.int(1, 200));
    const work = ctx.transaction(async (client) => {
      await client.query('INSERT INTO chaos.writes (run_id) VALUES ($1)', [ctx.runId]);
      await sleep(random.int(1, 400));
      if (random.chance(0.1)) throw new Error('rolled back');
      return IN_TRANSACTION;
    });
    const value = await unlessAborted(ctx.signal, work);
    if (random.chance(0.1)) throw new Error('thrown after the end');
    return value;
  },
  rare: (_ctx, random, sleep) => sleep(random.int(1, 300)),
};

const names = Object.keys(WORK).filter((name) => CHAOS_LIMITED !== '1' || name !== 'rare');
export const handlers = defineHandlers(
  Object.fromEntries(names.map((name) => [name, (ctx: HandlerContext) => run(name, ctx)])),
);

async function run(name: string, ctx: HandlerContext): Promise<unknown> {
  const startedAt = steadyMs();
  const random = new Random(`${CHAOS_SEED} ${ctx.runId} ${ctx.attempt} ${CHAOS_NODE}`);
  const isObedient = name !== 'stubborn';
  const id = await begin(ctx, name, { startedAt, isObedient });
  const sleep = (ms: number): Promise<void> => pause(ms, isObedient ? ctx.signal : undefined);
  let end = 'threw';
  try {
    const result = (await WORK[name]!(ctx, random, sleep)) ?? 'done';
    end = 'returned';
    return result;
  } finally {
    await sink.query('UPDATE calls SET ended_at = $2, how = $3 WHERE id = $1', [id, steadyMs(), end]);
  }
}

type Beginning = { startedAt: number; isObedient: boolean };

async function begin(ctx: HandlerContext, name: string, { startedAt, isObedient }: Beginning): Promise<string> {
  const { runId, tenant, jobId, attempt, idempotencyKey, scheduledFor } = ctx;
  const { rows } = await sink.query<{ id: string }>(
    `INSERT INTO calls (run_id, job, attempt, idempotency_key, scheduled_for, node, handler, started_at, obedient)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
    [
      ...[runId, `${tenant}/${jobId}`, attempt, idempotencyKey, scheduledFor.getTime()],
      ...[CHAOS_NODE, name, startedAt, isObedient],
    ],
  );
  return rows[0]!.id;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  return unlessAborted(signal, promise).finally(() => clearTimeout(timer));
}

/** Rejects with the signal's reason when that comes first. */
function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason as Error);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', onAbort));
}
