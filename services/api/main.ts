/** The HTTP API as a process: real parts, figures, one port for users and operators, or two. */
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { isIP } from 'node:net';
import { SystemClock } from '../adapters/clock.ts';
import { jsonCodec } from '../adapters/codec/json-codec.ts';
import { Registry } from '../adapters/codec/registry.ts';
import { packageFile } from '../adapters/package-file.ts';
import { PostgresApiKeys } from '../adapters/postgres/api-keys.ts';
import { PostgresAudit } from '../adapters/postgres/audit.ts';
import { PostgresIdempotencyKeys } from '../adapters/postgres/idempotency-keys.ts';
import { PostgresRejections } from '../adapters/postgres/rejections.ts';
import { PostgresTenants } from '../adapters/postgres/tenants.ts';
import { PostgresWebhooks } from '../adapters/postgres/webhooks.ts';
import { PostgresInspect } from '../adapters/postgres/inspect.ts';
import { BelfryClient } from '../client/client.ts';
import { KafkaTransport } from '../client/kafka-transport.ts';
import { closeInTurn } from '../core/close-all.ts';
import { BelfryError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { queuesOf } from '../core/topics.ts';
import { requireServers, type Config } from '../runtime/config.ts';
import { connect, watchdogOf, type Deployment } from '../runtime/main.ts';
import { Metrics } from '../runtime/metrics.ts';
import { startHttpServer, startOpsServer, type OpsOptions, type Readiness } from '../runtime/ops-server.ts';
import { Polled } from '../runtime/polled.ts';
import { ServiceReadiness } from '../runtime/readiness.ts';
import { CommandRate } from './command-rate.ts';
import { kafkaSilence } from './kafka-silence.ts';
import { problem } from './problem.ts';
import { apiMetrics } from './prometheus.ts';
import { readQueueDepth } from './queue-depth.ts';
import { buildServer } from './server.ts';
import type { Api, QueueDepth } from './deps.ts';

const DEFAULT_PORT = 8080;
/** On average: `BELFRY_API_RATE` bounds requests, and ten times as many commands. */
const COMMANDS_PER_REQUEST = 10;
const POLL_MS = 5_000;
const KAFKA_ASKED_MS = 2_000;
const PLAIN_HTTP =
  'api: keys travel as plain HTTP beyond this machine; put a proxy that speaks TLS before it and set BELFRY_BEHIND_PROXY=1, or BELFRY_API_HOST=127.0.0.1';
const LOOPBACK = '127.0.0.1';

/**
 * Starts the API; servers that are away are waited for.
 * @param options `isWatched`: a process of its own, which is to end when its event loop is stuck
 * @throws BelfryError `config_invalid` (also when there is no API key that works), `config_mismatch`, `port_taken`
 */
export async function startApiService(
  config: Config,
  log: Log,
  { isWatched = false } = {},
): Promise<{ port: number; stop(): Promise<void> }> {
  requireServers(config, { kafka: true, database: true });
  const host = hostOf(config);
  const { trustProxy: trusted } = config;
  const metrics = new Metrics('api');
  const readiness = new ServiceReadiness();
  const service: { api?: Api; kafka?: Polled<number> } = {};
  // Up before the servers are: a process that waits for Kafka is alive, and says what it waits for.
  const clock = new SystemClock();
  const ready = (): Readiness => {
    const reasons = kafkaSilence(service.kafka?.value, clock.now());
    return readiness.of(service.api && { ok: reasons.length === 0, reasons });
  };
  const server = await serve(config, { host, clock, registry: metrics.registry, ready, api: () => service.api });
  if (!config.behindProxy && !isLoopback(host)) log.warn({ host: host ?? 'all addresses' }, PLAIN_HTTP);
  log.info({ ...server.ports }, 'api: /api, /docs, /healthz, /readyz and /metrics are served');
  const deployment = await connect(config, log, 'api', metrics, { clock, readiness });
  const { broker, pg, topics, ids } = deployment;
  // Commands go out as JSON, which every deployment reads; an explicit null is one there.
  const codec = jsonCodec(config.registry && new Registry(config.registry));
  const watchdog = isWatched ? watchdogOf(config, { service: 'api', clock, log }) : undefined;
  const parts: (() => Promise<void>)[] = [() => deployment.close(), async () => watchdog?.stop()];
  // First the streams end, while what is under way goes on.
  const stop = (): Promise<void> =>
    closeInTurn([async () => service.api?.close(), () => server.close(), ...parts.splice(0).reverse()]);
  try {
    const keys = new PostgresApiKeys(pg);
    if (config.auth === 'keys') await requireKey(keys);
    const depth = await pollQueueDepth(deployment);
    parts.push(() => depth.stop());
    const transport = new KafkaTransport({ broker, codec, clock, log, topics });
    const answeredAt = new Polled(clock, log, KAFKA_ASKED_MS, async () => {
      await transport.open();
      return clock.now();
    });
    const client = new BelfryClient({ transport, ids });
    // It may wait for Kafka until the client is closed.
    parts.push(
      () => answeredAt.stop(),
      () => client.close(),
    );
    service.kafka = answeredAt;
    const api = await buildServer({
      ...{ inspect: new PostgresInspect(pg), client, broker, codec, topics, clock, ids, log },
      keys: config.auth === 'off' ? null : keys,
      tenants: new PostgresTenants(pg),
      webhooks: new PostgresWebhooks(pg),
      webhookKey: config.webhookKey,
      audit: new PostgresAudit(pg),
      rejections: new PostgresRejections(pg),
      idempotencyKeys: new PostgresIdempotencyKeys(pg),
      secretBytes: (count) => ids.bytes(count),
      spec: {
        allowInlineSecrets: config.allowInlineSecrets,
        topicPrefix: config.topicPrefix,
        allowTopics: config.kafkaAllowTopics,
      },
      version: (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version,
      requestsPerSecond: config.apiRate,
      commandRate: new CommandRate(COMMANDS_PER_REQUEST * config.apiRate, clock),
      trustProxy: typeof trusted === 'number' ? (_address, hop) => hop < trusted : [...trusted],
      queueDepth: () => depth.value,
      answered: apiMetrics(metrics),
    });
    service.api = api;
    return { port: server.ports.port, stop };
  } catch (error) {
    await stop().catch((failed: unknown) => log.warn({ err: failed }, 'not everything could be closed'));
    throw error;
  }
}

type Served = OpsOptions & { host: string | undefined; clock: Clock; api: () => Api | undefined };

/** One server for users and operators, or two where operators have a port of their own. */
async function serve(
  { port = DEFAULT_PORT, opsPort, opsHost, shutdownTimeoutMs }: Config,
  { host, clock, registry, ready, api }: Served,
): Promise<{ ports: { port: number; opsPort?: number }; close(): Promise<void> }> {
  const grace = (signal: AbortSignal): Promise<void> => clock.sleep(shutdownTimeoutMs, signal);
  const others: RequestListener = (request, response) => {
    const it = api();
    if (it !== undefined) return it.routing(request, response);
    const told = problem('starting', 'The API waits for Kafka, PostgreSQL or "belfry migrate"; see /readyz.');
    response.writeHead(told.status, { 'content-type': 'application/problem+json', 'retry-after': '1' });
    response.end(JSON.stringify(told));
  };
  if (opsPort === undefined) {
    const both = await startOpsServer({ host, port, grace, registry, ready, others });
    return { ports: { port: both.port }, close: () => both.close() };
  }
  const users = await startHttpServer({ host, port, grace }, others);
  try {
    const ops = await startOpsServer({
      host: opsHost ?? host,
      port: opsPort,
      variable: 'BELFRY_OPS_PORT',
      registry,
      ready,
    });
    const close = (): Promise<void> => closeInTurn([() => users.close(), () => ops.close()]);
    return { ports: { port: users.port, opsPort: ops.port }, close };
  } catch (error) {
    await users.close();
    throw error;
  }
}

/** Without keys whoever can connect may do everything: only this machine may. */
function hostOf({ auth, host }: Config): string | undefined {
  if (auth === 'keys') return host;
  if (host === undefined) return LOOPBACK;
  if (isLoopback(host)) return host;
  throw new BelfryError(
    'config_invalid',
    `BELFRY_AUTH=off goes with a loopback address only, not with BELFRY_API_HOST=${host}: create a key with "belfry keys create" instead.`,
  );
}

function isLoopback(host: string | undefined): boolean {
  return host === 'localhost' || host === '::1' || (host !== undefined && isIP(host) === 4 && host.startsWith('127.'));
}

async function requireKey(keys: PostgresApiKeys): Promise<void> {
  if (await keys.any()) return;
  throw new BelfryError(
    'config_invalid',
    'There is no API key that works. Create one with "belfry keys create NAME --scopes admin"; or set BELFRY_AUTH=off, for this machine alone.',
  );
}

async function pollQueueDepth(deployment: Deployment): Promise<Polled<QueueDepth[]>> {
  const { broker, clock, log, pg, topics, config } = deployment;
  const inspect = new PostgresInspect(pg);
  const queues = queuesOf(config.topicPrefix, (await inspect.system()).topics);
  return new Polled(clock, log, POLL_MS, () => readQueueDepth(broker, topics, config.topicPrefix, queues));
}
