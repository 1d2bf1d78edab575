/**
 * `belfry/testing`: handlers and schedules tested without a server, in milliseconds. The timer, the executor and the client
 * are those of production; the broker, the tables and time are in memory.
 */
import type { ClientBase } from 'pg';
import { SystemClock } from '../adapters/clock.ts';
import { jsonCodec } from '../adapters/codec/json-codec.ts';
import { RandomIds } from '../adapters/ids.ts';
import { MemoryBroker } from '../adapters/memory/broker.ts';
import { MemoryDatabase, type RunEntry } from '../adapters/memory/database.ts';
import { MemoryRunStore } from '../adapters/memory/run-store.ts';
import { MemoryTimerStore } from '../adapters/memory/timer-store.ts';
import { VirtualTime } from '../adapters/virtual-time.ts';
import type { PayloadOf } from '../client/types.ts';
import { Records } from '../core/events.ts';
import type { Log } from '../core/ports/log.ts';
import type { Outcome } from '../core/records.ts';
import { topicSpecs } from '../core/topic-specs.ts';
import { KafkaTransport } from '../client/kafka-transport.ts';
import { topicsOf } from '../core/topics.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import { Executor } from '../executor/executor.ts';
import { Timer } from '../timer/timer.ts';
import { testRegistry, type HttpAnswer } from './handlers.ts';
import { lastingLease } from './lease.ts';
import { attempt, type HandlerOutcome, type RunHandlerOptions } from './run-handler.ts';
import { SILENT } from './silent.ts';
import { Stage } from './stage.ts';
import { timeOf } from './time.ts';
import { TestBelfry, type TestMessage, type TestRun } from './test-belfry.ts';
import { inTransaction } from './transaction.ts';

export type { HttpAnswer } from './handlers.ts';
export type { HandlerOutcome, RunHandlerOptions } from './run-handler.ts';
export type { TestBelfry, TestMessage, TestRun } from './test-belfry.ts';

export type TestBelfryOptions<H extends Handlers> = {
  handlers: H;
  /** The virtual time at the start: a Date, or ISO 8601 with an offset. Default: `2026-01-01T00:00:00Z`. */
  now?: Date | string;
  /** Beside `default`. */
  queues?: readonly string[];
  /** Topics that KAFKA_MESSAGE jobs may write to. */
  topics?: readonly string[];
  /** Answers HTTP_REQUEST jobs. Default: they fail with `http_error`. */
  http?: HttpAnswer;
  /** The connection of `ctx.transaction`. */
  pg?: ClientBase;
  /** Runs at once, of each queue. Default: 100. */
  concurrency?: number;
  /**
   * How long, in real ms, virtual time waits for a handler that does something real; one that takes longer sees time go
   * on, up to its timeout. Default: 2,000.
   */
  patienceMs?: number;
  /** Hears the services. Default: silence. */
  log?: Log;
};

const PARTITIONS = 1;
const START = '2026-01-01T00:00:00Z';
/** A test's world is never under load: nothing is gathered. */
const AT_ONCE = { startMs: 0, settleMs: 0, publishMs: 0 };
const FOR_EVER_MS = Number.MAX_SAFE_INTEGER;
const ANY_JOB = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };

/**
 * Runs one attempt of a handler as an executor would: payload validated, `ctx` complete, timeout kept.
 * @param handler one of `defineHandlers`, or a function
 * @returns how the attempt ended; what the handler throws is an error code here, as its user would see it
 * @throws BelfryError `invalid`, `handlers_invalid` for options or a handler that no service would take
 */
export function runHandler<H extends Handlers[string]>(
  handler: H,
  options: RunHandlerOptions<PayloadOf<H>> = {},
): Promise<HandlerOutcome> {
  return attempt(new SystemClock(), handler, options);
}

/**
 * A whole Belfry in memory on virtual time, which stands still but in `advance`. Close it at the end.
 * @throws BelfryError `handlers_invalid`, or `invalid` for a time that is none
 */
export async function createTestBelfry<H extends Handlers>(options: TestBelfryOptions<H>): Promise<TestBelfry<H>> {
  const startAt = timeOf(options.now ?? START);
  const time = new VirtualTime(startAt);
  const db = new MemoryDatabase({ partitions: PARTITIONS, now: () => time.now() });
  const broker = new MemoryBroker({ clock: time });
  const { queues = [], patienceMs = 2_000, log = SILENT } = options;
  const topics = topicsOf('');
  const deployment = { topics, partitions: PARTITIONS, queues, brokers: 1, historyMs: FOR_EVER_MS };
  for (const { topic } of topicSpecs(deployment)) broker.createTopic(topic, PARTITIONS);
  for (const topic of options.topics ?? []) broker.createTopic(topic, PARTITIONS);
  let failure: Error | undefined;
  const onFatal = (error: Error): void => void (failure ??= error);
  const shared = { clock: time, log, prefix: '', onFatal };
  const codec = jsonCodec();
  const ids = new RandomIds();

  const timer = new Timer({
    ...shared,
    ...{ store: new TimerTables(db), broker: broker.client('timer'), codec, partitions: PARTITIONS },
    ...{ instance: 'test', spec: ANY_JOB, historyMs: FOR_EVER_MS, listenEnqueued: db.listen },
    limits: { leadMs: 0, stepEveryMs: 0 },
  });
  const store = new RunTables(db, time, options.pg);
  const executors: Executor[] = [];
  const isIdle = (): boolean =>
    db.parked.size === 0 && db.enqueued.length === 0 && isTimerIdle(timer) && executors.every(isExecutorIdle);
  const nextDueAt = (): number | undefined => db.timers.get(0)?.[0]?.fireAt;
  const stage = new Stage({ time, real: new SystemClock(), patienceMs, isIdle, nextDueAt });
  const handlers = testRegistry(options.handlers, options.http, stage);
  const records = new Records({ topics, partitions: PARTITIONS, codec, source: '/belfry/testing' });
  for (const queue of new Set(['default', ...queues])) {
    const keeper = lastingLease(store);
    const parts = {
      ...shared,
      store,
      records,
      keeper,
      ids,
      paces: AT_ONCE,
      handlers,
      queue,
      broker: broker.client(`executor-${queue}`),
    };
    executors.push(new Executor({ ...parts, worker: 'test', slots: options.concurrency ?? 100 }));
  }

  const outcomes: Outcome[] = [];
  const listener = broker.client('listener');
  const belfry = new TestBelfry<H>(
    { transport: new KafkaTransport({ broker: broker.client('client'), codec, clock: time, log, topics }), ids },
    {
      ...{ stage, outcomes, now: () => time.now(), runs: () => runsOf(db), failure: () => failure },
      messages: (topic) => messagesOf(broker, topic),
      stop: async () => {
        await Promise.all(executors.map((executor) => executor.stop({ timeoutMs: 0 })));
        await timer.stop();
      },
    },
  );
  const listening = listener.tail({
    ...{ topics: [topics.completed], from: 'beginning', isolation: 'read_committed' },
    onRecord: ({ value }) => void codec.decodeOutcome(value!).then((outcome) => outcomes.push(outcome)),
  });
  for (const executor of executors) executor.start();
  await stage.until(Promise.all([listening, timer.start()]));
  const ready = (): boolean => [timer, ...executors].every((service) => service.ready().ok);
  while (!ready()) await stage.until(time.sleep(1));
  return belfry;
}

/** Nothing is forgotten, however much time passes. */
class TimerTables extends MemoryTimerStore {
  override async maintain(): ReturnType<MemoryTimerStore['maintain']> {
    return { made: [], dropped: [] };
  }
}

class RunTables extends MemoryRunStore {
  private readonly pg: ClientBase | undefined;

  constructor(db: MemoryDatabase, clock: VirtualTime, pg: ClientBase | undefined) {
    super(db, clock);
    this.pg = pg;
  }

  override transaction: MemoryRunStore['transaction'] = (lease, timeoutMs, work) =>
    inTransaction(this.pg, (client) =>
      MemoryRunStore.prototype.transaction.call(this, lease, timeoutMs, (parts) => work({ ...parts, client })),
    ) as never;
}

function isTimerIdle(timer: Timer): boolean {
  const { outboxDepth, held } = timer.stats();
  return outboxDepth === 0 && held === 0;
}

function isExecutorIdle(executor: Executor): boolean {
  const { running, waiting, starting, settling, publishing } = executor.stats();
  return running + starting === 0 && waiting === 0 && settling === 0 && publishing === 0;
}

function runsOf(db: MemoryDatabase): TestRun[] {
  return [...db.runs.values()].sort((a, b) => a.scheduledFor - b.scheduledFor).map(runOf);
}

function runOf(entry: RunEntry): TestRun {
  const { runId, tenant, jobId, status, scheduledFor, startedAt, finishedAt, attempt } = entry;
  const { result, error, reason, replayOf } = entry;
  const dateOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));
  return {
    ...{ runId, tenant, jobId, status, attempt, result, error, reason, replayOf },
    ...{ scheduledFor: new Date(scheduledFor), startedAt: dateOf(startedAt), finishedAt: dateOf(finishedAt) },
  };
}

function messagesOf(broker: MemoryBroker, topic: string): TestMessage[] {
  const logs = broker.partitionLogs(topic) ?? [];
  const records = logs.flatMap((log) => log.read(0n, 'read_committed', Infinity).records);
  return records.map(({ key, value, headers }) => ({
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers,
  }));
}
