#!/usr/bin/env node
/** Wires the command line to the real things, each connected when a command first asks for it. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { readFile } from 'node:fs/promises';
import { choosePorts } from '../../infra/embedded/ports.ts';
import { findJdk } from '../../infra/embedded/jdk.ts';
import { jsonCodec } from '../adapters/codec/json-codec.ts';
import { SystemClock } from '../adapters/clock.ts';
import { Registry } from '../adapters/codec/registry.ts';
import { RandomIds } from '../adapters/ids.ts';
import { KafkaAdmin } from '../adapters/kafka/admin.ts';
import { KafkaBroker } from '../adapters/kafka/broker.ts';
import { packageFile } from '../adapters/package-file.ts';
import { PostgresApiKeys } from '../adapters/postgres/api-keys.ts';
import { PostgresAudit } from '../adapters/postgres/audit.ts';
import { PostgresRejections } from '../adapters/postgres/rejections.ts';
import { PostgresTenants } from '../adapters/postgres/tenants.ts';
import { PostgresWebhooks } from '../adapters/postgres/webhooks.ts';
import { PostgresInspect } from '../adapters/postgres/inspect.ts';
import { shippedSchemaVersion } from '../adapters/postgres/migrate.ts';
import { openPool } from '../adapters/postgres/pool.ts';
import { BelfryClient } from '../client/client.ts';
import { KafkaTransport } from '../client/kafka-transport.ts';
import type { Actor } from '../core/audit.ts';
import { readUtf8 } from '../core/spec/json.ts';
import { topicsOf } from '../core/topics.ts';
import { SEAL_KEY_BYTES } from '../core/webhook-secret.ts';
import { migrate } from '../migrate/main.ts';
import { readConfig, requireServers, type Config } from '../runtime/config.ts';
import { runUntilStopped } from '../runtime/life-cycle.ts';
import { makeLog } from '../runtime/logger.ts';
import { kafkaConfigOf } from '../runtime/main.ts';
import type { Backend } from './backend.ts';
import { directBackend } from './backend-direct.ts';
import { HttpBackend } from './backend-http.ts';
import type { CliDeps } from './deps.ts';
import { keepWebhookKey, readDevFile, withDevFile, writeDevFile } from './dev-file.ts';
import { runCli } from './program.ts';

const CONNECTIONS = 4;
const CLOSE_MS = 3_000;
const JAVA = 17;

const env = process.env;
const clock = new SystemClock();
const ids = new RandomIds();
const actor: Actor = { kind: 'cli', id: null, name: `${env.USER ?? 'somebody'}@${hostname()}` };
// What goes wrong comes back as an error of the call, in one line; the clients' own words are for those who debug.
const log = makeLog(env.LOG_LEVEL || 'silent', 'cli');
const closers: (() => Promise<void>)[] = [];

/** Makes a thing once, and sees that it is closed at the end. */
function once<T>(make: () => T, close: (made: T) => Promise<void>): () => T {
  let made: T | undefined;
  return () => {
    if (made === undefined) {
      const fresh = make();
      closers.unshift(() => close(fresh));
      made = fresh;
    }
    return made;
  };
}

let config = (): Config => {
  const plain = readConfig(env);
  const read = readConfig(withDevFile(env, readDevFile(plain.dataDir)));
  config = () => read;
  return read;
};

function withServers(needs: { kafka: boolean; database: boolean }): Config {
  requireServers(config(), needs);
  return config();
}

const kafka = () => kafkaConfigOf(withServers({ kafka: true, database: false }), 'cli');

const broker = once(
  () => new KafkaBroker({ config: kafka(), log, clock }),
  (made) => made.close(),
);

const client = once(
  () => {
    const topics = topicsOf(config().topicPrefix);
    const { registry } = config();
    // Commands go out as JSON, which every deployment reads.
    const codec = jsonCodec(registry === undefined ? undefined : new Registry(registry));
    const transport = new KafkaTransport({ broker: broker(), codec, clock, log, topics });
    return new BelfryClient({ transport, ids }).actingFor(actor);
  },
  (made) => made.close(),
);

const pool = once(
  () => {
    const { databaseUrl, databaseSchema: schema } = withServers({ kafka: false, database: true });
    return openPool({ databaseUrl, schema, max: CONNECTIONS, applicationName: 'belfry-cli', log });
  },
  (made) => made.close(),
);

/** The deployment's own servers, until an API is named. */
let backend: Backend = directBackend({
  ...{ client, broker, clock, ids, actor },
  webhooks: () => new PostgresWebhooks(pool()),
  tenants: () => new PostgresTenants(pool()),
  webhookKey: () => config().webhookKey,
  audit: () => new PostgresAudit(pool()),
  rejections: () => new PostgresRejections(pool()),
  store: () => new PostgresInspect(pool()),
  apiKeys: () => new PostgresApiKeys(pool()),
  topics: () => topicsOf(config().topicPrefix),
  secretBytes: (count) => ids.bytes(count),
});
const direct = backend;

function useApi(url: string): void {
  const overHttp = new HttpBackend({ url, apiKey: env.BELFRY_API_KEY || undefined, clock, ids, log });
  closers.unshift(() => overHttp.close());
  backend = overHttp;
}

let interrupted: AbortController | undefined;

// `belfry jobs list | head`: whoever reads has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const deps: CliDeps = {
  version: (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version,
  print: (text) => process.stdout.write(`${text}\n`),
  warn: (text) => process.stderr.write(`${text}\n`),
  clock,
  machineNow: () => clock.machine(),
  ids,
  actor,
  readFile: async (path) => utf8Of(path === '-' ? await buffer(process.stdin) : await readFile(path)),
  env,
  config: () => config(),
  useServers: (servers) => {
    const read = readConfig({ ...env, ...servers });
    config = () => read;
    backend = direct;
    return read;
  },
  useApi,
  interrupted: () => {
    if (interrupted === undefined) {
      const controller = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
      interrupted = controller;
    }
    return interrupted.signal;
  },
  tenant: () => backend.tenant(),
  client: () => backend.client(),
  inspect: () => backend.inspect(),
  keys: () => backend.keys(),
  rejected: () => backend.rejected(),
  audit: () => backend.audit(),
  why: (...asked) => backend.why(...asked),
  webhooks: () => backend.webhooks(),
  store: () => new PostgresInspect(pool()),
  tenants: () => backend.tenants(),
  broker,
  topicAdmin: once(
    () => new KafkaAdmin({ config: kafka(), log, clock }),
    (made) => made.close(),
  ),
  disconnect: async () => {
    for (const close of closers.splice(0)) {
      await close().catch((error: unknown) => log.warn({ err: error }, 'a connection did not close cleanly'));
    }
  },
  migrate,
  startTimer: async (...args) => (await import('../timer/main.ts')).startTimerService(...args),
  startExecutor: async (...args) => (await import('../executor/main.ts')).startExecutorService(...args),
  startApi: async (config, apiLog, _fail, options) =>
    (await import('../api/main.ts')).startApiService(config, apiLog, options),
  startStack: async (options) => (await import('../../infra/embedded/stack.ts')).startStack(options),
  freePort: async (wanted) => (await choosePorts(1, [wanted]))[0] ?? 0,
  makeLog,
  runUntilStopped,
  keepWebhookKey: (dataDir) => keepWebhookKey(dataDir, () => ids.bytes(SEAL_KEY_BYTES)),
  writeDevFile,
  javaVersion: async () => (await findJdk(JAVA, env))?.version,
  shippedSchemaVersion,
};

/** @throws what people are told of a file that is no text */
function utf8Of(bytes: Uint8Array): string {
  const text = readUtf8(bytes);
  if (text === undefined) throw new Error('it is not UTF-8 text');
  return text;
}

const code = await runCli(process.argv.slice(2), deps);
// The answer is there: a server that is away does not hold it back.
await Promise.race([deps.disconnect(), clock.sleep(CLOSE_MS)]);
// A user's handlers may hold connections and timers of their own: they would keep a stopped executor alive.
process.stdout.write('', () => process.exit(code));
