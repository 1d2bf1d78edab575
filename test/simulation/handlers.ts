/** What jobs do: handlers that end well, badly, late or never, and the sinks that they write to. */
import { BelfryError } from '../../services/core/errors.ts';
import type { EnqueuedCommandInput } from '../../services/core/ports/run-store.ts';
import { jobKey } from '../../services/core/topics.ts';
import type { Handler, HandlerContext } from '../../services/executor/handlers/handler.ts';
import { IN_TRANSACTION, type Call } from '../checker/history.ts';
import type { Process } from './process.ts';
import { Random } from '../support/random.ts';
import type { SinkClient } from './store-link.ts';

export type Calls = {
  now(): number;
  begin(call: Call): void;
  ended(call: Call): void;
  /** In its transaction the run schedules this job. */
  scheduled(runId: string, job: string, command: EnqueuedCommandInput): void;
};

/** What calls of handlers have to do with, beside their own. */
export type HandlerWorld = {
  seed: number;
  calls: Calls;
  /** Transactions of handlers schedule one more run. */
  schedulesNext: boolean;
};

type Work = (
  ctx: HandlerContext,
  random: Random,
  sleep: (ms: number) => Promise<void>,
  over: () => void,
  scheduleNext: () => Promise<void>,
) => unknown;

const WORK: Record<string, Work> = {
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
  stubborn: (_ctx, random, sleep) => sleep(random.chance(0.5) ? random.int(4_500, 8_000) : random.int(1, 200)),
  transaction: async (ctx, random, sleep, over, scheduleNext) => {
    await sleep(random.int(1, 200));
    const value = await ctx.transaction(async (client) => {
      (client as unknown as SinkClient).write({ runId: ctx.runId });
      await scheduleNext();
      await sleep(random.int(1, 400));
      if (random.chance(0.1)) throw new Error('rolled back');
      over();
      return IN_TRANSACTION;
    });
    if (random.chance(0.1)) throw new Error('thrown after the end');
    return value;
  },
  rare: (_ctx, random, sleep) => sleep(random.int(1, 300)),
};

/** The handlers of one process. */
export function handlersOf(process: Process, world: HandlerWorld, isLimited: boolean): Map<string, Handler> {
  const names = Object.keys(WORK).filter((name) => !isLimited || name !== 'rare');
  return new Map(names.map((name) => [name, { run: (ctx) => run(name, ctx, process, world) }]));
}

async function run(name: string, ctx: HandlerContext, process: Process, world: HandlerWorld): Promise<unknown> {
  const { seed, calls } = world;
  const { runId, attempt } = ctx;
  const random = new Random(`${seed} ${runId} ${attempt} ${process.name}`);
  const call: Call = {
    runId,
    job: `${ctx.tenant}/${ctx.jobId}`,
    attempt,
    idempotencyKey: ctx.idempotencyKey,
    scheduledFor: ctx.scheduledFor.getTime(),
    node: process.name,
    startedAt: calls.now(),
    endedAt: null,
    end: null,
    obedient: name !== 'stubborn',
    handler: name,
  };
  calls.begin(call);
  const { signal } = ctx;
  const sleep = async (ms: number): Promise<void> => {
    await process.clock.sleep(ms, call.obedient ? signal : undefined);
    if (call.obedient && signal.aborted) throw signal.reason;
  };
  /** It does nothing more: what waits is the commit, which changes nothing once the run is another's. */
  const over = (): void => {
    call.endedAt = calls.now();
  };
  const scheduleNext = async (): Promise<void> => {
    if (!world.schedulesNext) return;
    const jobId = `next.${runId}`;
    const job = { type: 'CUSTOM', handler: 'quick', schedule: { in: '1s' } } as const;
    const command = { type: 'schedule', commandId: `${ctx.idempotencyKey}.1`, tenant: ctx.tenant, jobId, job };
    calls.scheduled(runId, jobKey(ctx.tenant, jobId), command);
    await ctx.schedule(jobId, job);
  };
  try {
    const result = (await WORK[name]!(ctx, random, sleep, over, scheduleNext)) ?? 'done';
    call.end = 'returned';
    return result;
  } catch (thrown) {
    call.end = 'threw';
    throw thrown instanceof Error ? thrown : new BelfryError('handler_error', String(thrown));
  } finally {
    call.endedAt ??= calls.now();
    calls.ended(call);
  }
}
