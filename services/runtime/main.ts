/** Wires the real parts that every service shares: broker, database, codec, clock. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { RandomIds } from '../adapters/ids.ts';
import { SystemClock } from '../adapters/clock.ts';
import { openAvroCodec } from '../adapters/codec/avro-codec.ts';
import { jsonCodec } from '../adapters/codec/json-codec.ts';
import { Registry } from '../adapters/codec/registry.ts';
import { KafkaBroker } from '../adapters/kafka/broker.ts';
import type { KafkaConfig } from '../adapters/kafka/connect.ts';
import { readMeta, shippedSchemaVersion, type Meta } from '../adapters/postgres/migrate.ts';
import { openPool, type Pg } from '../adapters/postgres/pool.ts';
import { announceService, withdrawService } from '../adapters/postgres/services.ts';
import { Watchdog } from '../adapters/watchdog/watchdog.ts';
import { packageFile } from '../adapters/package-file.ts';
import { closeAll, closeInTurn } from '../core/close-all.ts';
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import { topicsOf, type Topics } from '../core/topics.ts';
import { checkMeta } from './check-meta.ts';
import { ClockSync } from './clock-sync.ts';
import type { Config } from './config.ts';
import type { Metrics } from './metrics.ts';
import { ServiceReadiness } from './readiness.ts';
import { Presence } from './presence.ts';

const DATABASE_NOW = {
  name: 'database_now',
  text: 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
};
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

/** One deployment as one process sees it. */
export type Deployment = {
  config: Config;
  log: Log;
  clock: SystemClock;
  clockSync: ClockSync;
  ids: RandomIds;
  broker: KafkaBroker;
  pg: Pg;
  meta: Meta;
  topics: Topics;
  codec: Codec;
  close(): Promise<void>;
};

export function kafkaConfigOf(config: Config, service: string): KafkaConfig {
  const { brokers, clientId, ssl, sasl } = config.kafka;
  return {
    brokers,
    clientId: `${clientId}-${service}`,
    ssl,
    sasl,
    groupPrefix: `${config.topicPrefix}belfry-`,
  };
}

const STUCK_AFTER_MS = 5_000;

export type WatchedService = {
  service: 'timer' | 'executor' | 'api';
  clock: SystemClock;
  log: Log;
  /** Unless BELFRY_STALL_TIMEOUT says otherwise; default: 5 s. */
  stuckAfterMs?: number;
};

/** Watches the event loop of a service that is a process of its own. @returns undefined: the operator wants no watchdog */
export function watchdogOf(config: Config, watched: WatchedService): Watchdog | undefined {
  const stuckAfterMs = config.stallTimeoutMs ?? watched.stuckAfterMs ?? STUCK_AFTER_MS;
  if (stuckAfterMs === 0) return undefined;
  const { databaseDirectUrl: databaseUrl, databaseSchema: schema } = config;
  const worker = `${hostname()}:${process.pid}`;
  return new Watchdog({ ...watched, stuckAfterMs, worker, pg: { databaseUrl, schema } });
}

export type ConnectOptions = { clock?: SystemClock; readiness?: ServiceReadiness };

/**
 * Connects a service to its deployment; waits for servers that are away, for ever.
 * @param service name in logs, client ids and pg_stat_activity
 * @param metrics gets what is asked of the servers
 * @param options `clock` is set right by the database's from here on; `readiness` is told what Kafka denies
 * @throws BelfryError `config_mismatch`, `schema_newer` and the like: errors that waiting does not mend
 */
export async function connect(
  config: Config,
  log: Log,
  service: string,
  metrics: Metrics,
  { clock = new SystemClock(), readiness = new ServiceReadiness() }: ConnectOptions = {},
): Promise<Deployment> {
  const statements = metrics.counter('statements_total', 'Statements sent to PostgreSQL, by name.', ['statement']);
  const requests = metrics.counter('kafka_requests_total', 'Requests sent to Kafka, by API.', ['api']);
  const pg = openPool({
    databaseUrl: config.databaseUrl,
    schema: config.databaseSchema,
    max: config.databasePoolMax,
    applicationName: `belfry-${service}`,
    log,
    onStatement: (statement) => statements.inc({ statement }),
  });
  const kafka = { ...kafkaConfigOf(config, service), onRequest: (api: string) => requests.inc({ api }) };
  const broker = new KafkaBroker({ config: kafka, log, clock });
  readiness.watch(broker, config, metrics);
  const topics = topicsOf(config.topicPrefix);
  const waiting = <T>(what: string, work: () => Promise<T>): Promise<T> => patiently(what, work, clock, log);
  const clockSync = new ClockSync(
    clock,
    async () => Math.floor((await pg.query<{ now: number }>(DATABASE_NOW))[0]?.now ?? 0),
    log,
  );
  try {
    const shipped = await shippedSchemaVersion();
    const meta = await waiting('the database to be migrated', async () =>
      checkMeta(config, await readMeta(pg), shipped),
    );
    await waiting('Kafka', () => checkTopics(broker, topics, meta));
    const registry = config.registry === undefined ? undefined : new Registry(config.registry);
    const codec = await waiting('the schema registry', () => openCodec(meta.encoding, registry, topics));
    await clockSync.start();
    const ids = new RandomIds();
    const row = {
      id: ids.uuid(),
      kind: service,
      name: `${hostname()}:${process.pid}`,
      release: releaseOf(),
      schemaVersion: shipped,
    };
    const presence = new Presence({
      ...{ clock, log },
      announce: () => announceService(pg, row),
      withdraw: () => withdrawService(pg, row.id),
    });
    return {
      ...{ config, log, clock, clockSync, ids, broker, pg, meta, topics, codec },
      close: () => closeInTurn([() => presence.end(), () => clockSync.stop(), () => broker.close(), () => pg.close()]),
    };
  } catch (error) {
    await closeAll([() => broker.close(), () => pg.close()]).catch((failed: unknown) =>
      log.warn({ err: failed }, 'not everything could be closed'),
    );
    throw error;
  }
}

/** The version of this package. */
export function releaseOf(): string {
  return (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;
}

async function openCodec(encoding: 'json' | 'avro', registry: Registry | undefined, topics: Topics): Promise<Codec> {
  if (encoding === 'json') return jsonCodec(registry);
  if (registry === undefined) {
    throw new BelfryError('config_mismatch', 'This deployment was migrated with Avro: set SCHEMA_REGISTRY_URL.');
  }
  return openAvroCodec(registry, topics);
}

async function checkTopics(broker: KafkaBroker, topics: Topics, meta: Meta): Promise<void> {
  for (const topic of [topics.commands, topics.retry, topics.completed]) {
    const partitions = await broker.partitions(topic);
    if (partitions === undefined) {
      throw new BelfryError('not_migrated', `The topic ${topic} does not exist: run "belfry migrate".`, {
        retryable: true,
      });
    }
    // More partitions than P are drained by forwarding; fewer would hide jobs.
    if (partitions < meta.partitions) {
      throw new BelfryError(
        'config_mismatch',
        `The topic ${topic} has ${partitions} partitions; this deployment was migrated with ${meta.partitions}.`,
      );
    }
  }
}

/** Repeats until it works, unless waiting cannot help. */
async function patiently<T>(what: string, work: () => Promise<T>, clock: SystemClock, log: Log): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BelfryError) || !error.retryable) throw error;
      log.warn({ reason: messageOf(error), waitMs }, `waiting for ${what}`);
      await clock.sleep(waitMs);
    }
  }
}
