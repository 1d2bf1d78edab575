/** One attempt of one handler, by the executor's own code, without an executor. */
import type { ClientBase } from 'pg';
import type { PayloadOf } from '../client/types.ts';
import { BelfryError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { RunStore, Settled, Settlement } from '../core/ports/run-store.ts';
import type { DueRecord, RunError } from '../core/records.ts';
import { runIdOf } from '../core/run-id.ts';
import { formatInstant } from '../core/spec/instant.ts';
import { parseJobSpec } from '../core/spec/parse-command.ts';
import type { JobInput, RetryInput } from '../core/spec/input.ts';
import type { EmittedEvent, Trigger, UpstreamRun } from '../core/model.ts';
import type { HandlerFunction, Handlers } from '../executor/handlers/define.ts';
import { makeRegistry } from '../executor/handlers/registry.ts';
import { settlementOf } from '../executor/outcome.ts';
import { policyOf } from '../executor/policy.ts';
import { Attempt } from '../executor/run.ts';
import { Task } from '../executor/task.ts';
import { SILENT } from './silent.ts';
import { inTransaction } from './transaction.ts';

export type RunHandlerOptions<Payload = unknown> = {
  /** As a job has it: what is not JSON, or does not fit the handler's schema, fails the run. Default: `{}`. */
  payload?: Payload;
  /** From 1. Default: 1. */
  attempt?: number;
  tenant?: string;
  jobId?: string;
  /** Default: now. */
  scheduledFor?: Date;
  trigger?: Trigger;
  /** What `ctx.upstream` has. Default: nothing. */
  upstream?: readonly UpstreamRun[];
  /** What `ctx.event` is. Default: null. */
  event?: EmittedEvent;
  labels?: Record<string, string>;
  /** The job's own, such as `2s`, in real time. Default: the handler's, or 15m. */
  timeout?: string;
  /** The job's own. Default: the handler's, or Belfry's. */
  retry?: RetryInput;
  /** The connection of `ctx.transaction`. */
  pg?: ClientBase;
  /** Default: silence. */
  log?: Log;
};

/** How the attempt ended, as the run's history would have it. */
export type HandlerOutcome = {
  /** RETRYING: it failed, and would be tried again `retryInMs` later. */
  status: 'COMPLETED' | 'RETRYING' | 'FAILED';
  /** As JSON keeps it. */
  result: unknown;
  resultTruncated: boolean;
  error: RunError | null;
  retryInMs: number | null;
  /** The latest that `ctx.progress` was told. */
  progress: { fraction: number; note: string | null } | null;
  /** What `ctx.schedule` scheduled, in its order; of a transaction, if that was committed. */
  scheduled: { jobId: string; job: JobInput }[];
};

const NAME = 'handler';
const IDENTITY = { executor: 'test', worker: 'test', queue: 'default', transactionalId: 'test', handlers: [NAME] };

/** See `runHandler` of main.ts. */
export async function attempt<H extends Handlers[string]>(
  clock: Clock,
  handler: H,
  options: RunHandlerOptions<PayloadOf<H>>,
): Promise<HandlerOutcome> {
  const registered = makeRegistry({ [NAME]: handler as HandlerFunction }, { http: { run: () => null } }).get(NAME)!;
  const due = dueOf(options, clock.now());
  const policy = policyOf(due, registered);
  const task = new Task(due, 'nonce', null);
  const hold = { remainingMs: () => Infinity, heldMs: () => Infinity, report: () => {}, close: async () => {} };
  const owned = { incarnation: { lease: IDENTITY, hold, alive: true }, token: 1, row: undefined as never };
  const scheduled: Scheduled[] = [];
  const deps = { clock, store: storeOf(options.pg, clock, scheduled), log: options.log ?? SILENT };
  const running = new Attempt(deps, task, owned, registered, policy);
  const settlement = settlementOf(task, 1, await running.verdict, policy, 0.5);
  const { status, result, resultTruncated, error, retryInMs } = settlement;
  return {
    ...{ status, result, resultTruncated, error, retryInMs },
    progress: running.progress,
    scheduled,
  } as HandlerOutcome;
}

/** @throws BelfryError `invalid` for a job that no timer would take */
function dueOf(options: RunHandlerOptions, now: number): DueRecord {
  const { payload, timeout, retry, labels, tenant = 'default', jobId = 'test', event } = options;
  const { trigger = event === undefined ? 'schedule' : 'event' } = options;
  // What Kafka and PostgreSQL would make of it.
  const stored = payload === undefined ? undefined : (JSON.parse(JSON.stringify(payload)) as unknown);
  const job = { type: 'CUSTOM', handler: NAME, payload: stored, schedule: { in: '0s' }, timeout, retry, labels };
  const spec = parseJobSpec(job, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  if ('rejection' in spec)
    throw new BelfryError('invalid', spec.rejection.message, { field: spec.rejection.field as string });
  const scheduledFor = options.scheduledFor?.getTime() ?? now;
  const cause = formatInstant(scheduledFor);
  const runId = runIdOf({ tenant, jobId, trigger, cause, scheduledFor });
  return {
    ...{ runId, tenant, jobId, trigger, cause, scheduledFor, idempotencyKey: runId, dueAt: scheduledFor },
    ...{ type: spec.type, handler: NAME, payload: spec.payload, labels: spec.labels, retry: spec.retry },
    ...{
      timeoutMs: spec.timeoutMs,
      explicit: spec.explicit,
      delivery: spec.delivery,
      queue: spec.queue,
      priority: spec.priority,
    },
    ...{ jobVersion: 1, replayOf: null, cancelGen: 0, tracked: false, failures: [], traceparent: null },
    attempt: options.attempt ?? 1,
    upstream: options.upstream ?? [],
    ...(event === undefined ? {} : { event }),
  };
}

type Scheduled = HandlerOutcome['scheduled'][number];

/** All that an attempt asks of a store. */
function storeOf(pg: ClientBase | undefined, clock: Clock, scheduled: Scheduled[]): RunStore {
  const into = (list: Scheduled[]): RunStore['enqueue'] => {
    return async (command) => void list.push({ jobId: command.jobId, job: (command as unknown as Scheduled).job });
  };
  const transaction: RunStore['transaction'] = async (_lease, _timeoutMs, work) => {
    const within: Scheduled[] = [];
    const settle = async ({ runId }: Settlement): Promise<Settled> => {
      return { runId, startedAt: null, finishedAt: clock.now(), retryAt: null, parked: false, chained: false };
    };
    const value = await inTransaction(pg, (client) => work({ client, settle, enqueue: into(within) }));
    scheduled.push(...within);
    return value;
  };
  return { transaction, enqueue: into(scheduled) } as Partial<RunStore> as RunStore;
}
