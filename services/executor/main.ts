/** The executor as a process, and as a part of the user's own: real parts, figures, the ops server. */
import { hostname } from 'node:os';
import { SystemClock } from '../adapters/clock.ts';
import { LeaseThread } from '../adapters/postgres/lease-thread.ts';
import { PostgresRejections } from '../adapters/postgres/rejections.ts';
import { PostgresRunStore } from '../adapters/postgres/run-store.ts';
import { PostgresWebhooks } from '../adapters/postgres/webhooks.ts';
import { PostgresTenants } from '../adapters/postgres/tenants.ts';
import { Records } from '../core/events.ts';
import { BelfryError } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';
import { queueExists } from '../core/topics.ts';
import { readConfig, requireServers, type Config } from '../runtime/config.ts';
import { makeLog } from '../runtime/logger.ts';
import { connect, watchdogOf, type Deployment } from '../runtime/main.ts';
import { Metrics } from '../runtime/metrics.ts';
import { startOpsServer } from '../runtime/ops-server.ts';
import { ServiceReadiness } from '../runtime/readiness.ts';
import { embedded } from './embedded.ts';
import { Executor } from './executor.ts';
import type { Handlers } from './handlers/define.ts';
import { AddressGuard } from './handlers/http/address-guard.ts';
import { Secrets } from './handlers/http/secrets.ts';
import { Sender } from './handlers/http/sender.ts';
import { webhookHandler } from './handlers/webhook.ts';
import { httpRequestHandler } from './handlers/http/http-request.ts';
import { loadHandlers } from './handlers/load.ts';
import { makeRegistry } from './handlers/registry.ts';
import { executorMetrics } from './prometheus.ts';

export { BelfryError } from '../core/errors.ts';
export { defineHandlers } from './handlers/define.ts';
export type { Handlers } from './handlers/define.ts';
export type { HandlerContext } from './handlers/handler.ts';

const DEFAULT_PORT = 9402;
const DEFAULT_QUEUE = 'default';

/** Handlers of the user's own may compute for a while. */
const STUCK_AFTER_MS = 30_000;

export type ExecutorOptions = {
  handlersFile?: string;
  handlers?: Handlers;
  queue?: string;
  /** The process is to end when its event loop is stuck. */
  isWatched?: boolean;
};
export type RunningExecutor = { port: number; stop(): Promise<void> };

/**
 * Starts an executor; servers that are away are waited for.
 * @param fail called when the process cannot go on
 * @throws BelfryError `config_invalid`, `config_mismatch`, `handlers_not_found`, `handlers_invalid`, `no_such_queue`, `port_taken`
 */
export async function startExecutorService(
  config: Config,
  log: Log,
  fail: (error: Error) => void,
  options: ExecutorOptions = {},
): Promise<RunningExecutor> {
  requireServers(config, { kafka: true, database: true });
  const { handlersFile, queue = DEFAULT_QUEUE } = options;
  const handlers = options.handlers ?? (handlersFile === undefined ? {} : await loadHandlers(handlersFile));
  const clock = new SystemClock();
  const [sender, now] = [new Sender(new AddressGuard(config.httpAllow), clock), (): number => clock.now()];
  const http = httpRequestHandler({ sender, secrets: new Secrets(config.secretsDir, log), now });
  const checked = makeRegistry(handlers, { http }); // before any server is asked: mistakes show at once
  const metrics = new Metrics('executor');
  const service: { executor?: Executor } = {};
  const readiness = new ServiceReadiness();
  // Up before the servers are: a process that waits for Kafka is alive, and says what it waits for.
  const ops = await startOpsServer({
    host: config.opsHost,
    port: config.opsPort ?? config.port ?? DEFAULT_PORT,
    registry: metrics.registry,
    ready: () => readiness.of(service.executor?.ready()),
  });
  log.info(
    { port: ops.port, queue, handlers: Object.keys(handlers) },
    'executor: /healthz, /readyz and /metrics are served',
  );
  const deployment = await connect(config, log, 'executor', metrics, { clock, readiness });
  await requireQueue(deployment, queue);
  const { broker, ids, codec, topics, meta, pg } = deployment;
  const webhook = webhookHandler({ sender, webhooks: new PostgresWebhooks(pg), key: config.webhookKey, now });
  const { databaseDirectUrl: databaseUrl, databaseSchema: schema } = config;
  const hasOwn = Object.keys(handlers).length > 0;
  const watched = { service: 'executor', clock, log, ...(hasOwn && { stuckAfterMs: STUCK_AFTER_MS }) } as const;
  const watchdog = options.isWatched === true ? watchdogOf(config, watched) : undefined;
  const executor = new Executor({
    ...{ broker, clock, ids, log, queue, prefix: config.topicPrefix, slots: config.concurrency },
    ...(watchdog && { marks: watchdog.marks }),
    maxTimeoutMs: config.maxTimeoutMs,
    store: new PostgresRunStore(pg, clock),
    tenants: new PostgresTenants(pg),
    rejections: new PostgresRejections(pg),
    records: new Records({ topics, partitions: meta.partitions, codec, source: '/belfry/executor' }),
    keeper: new LeaseThread({ pg: { databaseUrl, schema }, clock, log }),
    handlers: new Map([...checked, ['WEBHOOK', webhook]]),
    worker: `${hostname()}:${process.pid}`,
    metrics: executorMetrics(metrics),
    onFatal: fail,
  });
  metrics.gauge(
    'clock_offset_seconds',
    "The database's time less this machine's.",
    () => deployment.clockSync.offsetMs / 1_000,
  );
  const stats = (): ReturnType<Executor['stats']> => executor.stats();
  metrics.gauge('lease_remaining_seconds', 'Until the lease runs out.', () => stats().leaseRemainingMs / 1_000);
  metrics.gauge('outcomes_unpublished', 'Settled runs whose events are not out yet.', () => stats().publishing);
  metrics.gauge(
    'handlers_abandoned',
    'Handlers that go on although their run has ended without them: they ignored their abort signal.',
    () => stats().abandoned,
  );
  metrics.gauge('waiting_bytes', 'Bytes of due records that wait here.', () => stats().waitingBytes);
  metrics.gauge('partitions_held', 'Partitions of the due topics that this executor reads.', () => stats().partitions);
  service.executor = executor;
  executor.start();
  return {
    port: ops.port,
    stop: async () => {
      await executor.stop({ timeoutMs: config.shutdownTimeoutMs });
      await watchdog?.stop();
      await deployment.close();
      await ops.close();
    },
  };
}

/** Without its topics the consumers would wait for ever. */
async function requireQueue({ broker, topics }: Deployment, queue: string): Promise<void> {
  if (await queueExists(broker, topics, queue)) return;
  const topic = topics.due(queue, 'medium');
  throw new BelfryError(
    'no_such_queue',
    `There is no queue "${queue}" (the topic ${topic} does not exist): run "belfry migrate --queue ${queue}".`,
  );
}

export type EmbeddedExecutorOptions = {
  handlers: Handlers;
  queue?: string;
  /** Ends the whole process when its event loop stands still for 30 s (`BELFRY_STALL_TIMEOUT`); default: false. */
  isWatched?: boolean;
  env?: Readonly<Record<string, string | undefined>>;
  log?: Log;
  /**
   * The executor cannot go on (a wrong permission, a client that does not recover): it stops by itself, and its runs are handed
   * back. What becomes of the process is the caller's to say: start another one, or end. Default: it is logged.
   */
  onFatal?: (error: Error) => void;
};

/**
 * Runs an executor inside the caller's own process, configured by the environment as `belfry executor` is. A handler that
 * blocks the event loop past its timeout by more than 10 s ends the process: nothing else could stop it.
 * @returns its ops port, and a clean stop (running handlers may end, the rest is handed back)
 * @throws BelfryError as `startExecutorService`
 */
export async function runExecutor(options: EmbeddedExecutorOptions): Promise<RunningExecutor> {
  const config = readConfig({ PORT: '0', ...(options.env ?? process.env) });
  const log = options.log ?? makeLog(config.logLevel, 'executor');
  return embedded(log, options.onFatal, (fail) => startExecutorService(config, log, fail, options));
}
