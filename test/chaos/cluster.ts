/** Everything of a chaos run: servers, processes of the product in their seats, and the sink of the handlers. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startKafka, type EmbeddedKafka } from '../../infra/embedded/kafka.ts';
import { startPostgres, type EmbeddedPostgres } from '../../infra/embedded/postgres.ts';
import { randomBytes } from 'node:crypto';
import { startRegistry, type EmbeddedRegistry } from '../../infra/embedded/registry.ts';
import { openAvroCodec } from '../../services/adapters/codec/avro-codec.ts';
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import { Registry } from '../../services/adapters/codec/registry.ts';
import type { Codec } from '../../services/core/ports/codec.ts';
import { LIMITED_TENANT, TENANTS } from '../support/lives.ts';
import { KafkaAdmin } from '../../services/adapters/kafka/admin.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { ORDERS } from '../support/life.ts';
import { SOURCE, SOURCE_PARTITIONS } from '../support/life-sources.ts';
import { PARTITIONS, QUOTAS } from './load.ts';
import { SEATS } from './plan.ts';
import { cli, CURRENT, programs, type Releases } from './releases.ts';
import { SeatOfProcess, type Incarnation } from './seats.ts';

const MESSAGE_PARTITIONS = 2;
/** All processes begin at once, perhaps on a machine that does other work. */
const BEGIN_WITHIN_MS = 90_000;
/** What the brokers write on records is the true time, whatever the clock of the process that sends them says. */
const SETTINGS = { 'log.message.timestamp.type': 'LogAppendTime' };
const SINK_TABLE = `CREATE TABLE calls (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id uuid NOT NULL, job text NOT NULL, attempt int NOT NULL,
  idempotency_key uuid NOT NULL, scheduled_for float8 NOT NULL, node text NOT NULL, handler text NOT NULL, started_at float8 NOT NULL,
  ended_at float8, how text, obedient boolean NOT NULL)`;

/** What clients write beside a command that they enqueue. */
const ENQUEUED_TABLE = `CREATE TABLE chaos.enqueued (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, command_id text NOT NULL)`;

export type ClusterOptions = {
  folder: string;
  seed: number;
  brokers: number;
  fakeTime: string | null;
  /** Null: all are of this release. */
  releases: Releases | null;
  /** What is written in Avro; where there is no Java for a schema registry, in JSON. */
  encoding: 'json' | 'avro';
  log: (line: string) => void;
};

export class Cluster {
  readonly kafka: EmbeddedKafka;
  readonly postgres: EmbeddedPostgres;
  readonly deployment: TestDeployment;
  readonly seats: readonly SeatOfProcess[];
  /** Writes commands as a client may. */
  readonly codec: Codec;
  /** Of the HTTP API, by tenant. */
  readonly keys: ReadonlyMap<string, string>;
  /** Told by the handlers what they did. */
  readonly sink: pg.Pool;
  private readonly others: readonly { stop(): Promise<void> }[];

  private constructor(
    parts: Pick<Cluster, 'kafka' | 'postgres' | 'deployment' | 'seats' | 'sink' | 'codec' | 'keys'>,
    others: readonly { stop(): Promise<void> }[],
  ) {
    this.kafka = parts.kafka;
    this.postgres = parts.postgres;
    this.deployment = parts.deployment;
    this.seats = parts.seats;
    this.sink = parts.sink;
    this.codec = parts.codec;
    this.keys = parts.keys;
    this.others = others;
  }

  /** Starts the servers and a process in each seat, and waits until all are ready. */
  static async start({ folder, seed, brokers, fakeTime, releases, encoding, log }: ClusterOptions): Promise<Cluster> {
    await chmod(folder, 0o711); // root's PostgreSQL runs under an account of its own, which must get to its data
    const dir = (name: string): string => join(folder, name);
    const seats = await Promise.all(SEATS.map((seat, index) => SeatOfProcess.open(seat, index, brokers)));
    // The servers end with this process by themselves, those of the product do not.
    process.once('exit', () => seats.forEach(({ current }) => current?.service.child.kill('SIGKILL')));
    const doors = Object.fromEntries(seats.map(({ door, kafka }) => [door, kafka.map(({ port }) => port)]));
    await mkdir(dir('servers'));
    await chmod(dir('servers'), 0o711);
    const [kafka, postgres, sinkServer, registry] = await Promise.all([
      startKafka({ dataDir: dir('servers/kafka'), brokers, doors, settings: SETTINGS, log }),
      startPostgres({ dataDir: dir('servers/postgres'), log }),
      startPostgres({ dataDir: dir('servers/sink'), log }),
      encoding === 'avro' ? startRegistry({ dataDir: dir('servers/registry'), log }) : undefined,
    ]);
    const sink = new pg.Pool({ connectionString: sinkServer.url });
    sink.on('error', () => undefined); // its server ends while connections are closing
    await sink.query(SINK_TABLE);
    const runs = releases === null ? { current: CURRENT, former: CURRENT } : await programs();
    const deployment = await TestDeployment.create({
      servers: { kafkaBrokers: kafka.brokers, databaseUrl: postgres.url },
      partitions: PARTITIONS,
      env: {
        BELFRY_WEBHOOK_KEY: randomBytes(32).toString('base64'),
        ...(registry && { SCHEMA_REGISTRY_URL: registry.url }),
      },
      migrate: async (env) =>
        void (await cli(runs.former, env, 'migrate', ...(registry ? ['--encoding', 'avro'] : []))),
    });
    await deployment.pool.query('CREATE SCHEMA chaos');
    await deployment.pool.query('CREATE TABLE chaos.writes (run_id uuid NOT NULL)');
    await deployment.pool.query(ENQUEUED_TABLE);
    await makeTopics(kafka);
    const keys = await prepareTenants(runs.former, deployment.env);
    const eventSources = `${SOURCE.topic}=${SOURCE.tenant}/${SOURCE.event}`;
    const env = { CHAOS_SINK: sinkServer.url, CHAOS_SEED: String(seed), BELFRY_EVENT_SOURCES: eventSources };
    const surroundings = {
      ...{ deployment, kafka, databasePort: postgres.port, env, fakeTime, folder },
      ...{ programs: runs, releases: releases ?? [] },
    };
    for (const seat of seats) await seat.begin(surroundings);
    await Promise.all(seats.map(async (seat) => seat.current?.service.ready(BEGIN_WITHIN_MS)));
    const codec = await codecOf(deployment, registry);
    const others = registry === undefined ? [sinkServer] : [sinkServer, registry];
    return new Cluster({ kafka, postgres, deployment, seats, sink, codec, keys }, others);
  }

  get incarnations(): Incarnation[] {
    return this.seats.flatMap(({ incarnations }) => incarnations);
  }

  /** The current release's migration, while the processes go on. */
  async migrate(): Promise<void> {
    await cli(CURRENT, this.deployment.env, 'migrate');
  }

  /** Ends all. What was logged stays in the incarnations. */
  async stop(): Promise<void> {
    await Promise.all(this.seats.map((seat) => seat.close()));
    await this.deployment.destroy();
    await this.sink.end();
    await Promise.all([this.kafka, this.postgres, ...this.others].map((server) => server.stop()));
  }
}

/** Keys of all tenants, and the quotas of one: done by the release that made the schema. @returns the keys by tenant */
async function prepareTenants(program: string, env: Record<string, string>): Promise<Map<string, string>> {
  const { concurrentRuns, runsPerSecond, jobs, handlerRuns } = QUOTAS;
  const numbers = { 'concurrent-runs': concurrentRuns, 'runs-per-second': runsPerSecond, jobs };
  const quotas = [
    ...Object.entries(numbers).flatMap(([name, limit]) => [`--${name}`, String(limit)]),
    ...Object.entries(handlerRuns).flatMap(([handler, limit]) => ['--handler-runs', `${handler}=${limit}`]),
  ];
  const made = [...TENANTS, LIMITED_TENANT].map(async (tenant): Promise<[string, string]> => {
    const text = await cli(program, env, 'keys', 'create', 'chaos', '--tenant', tenant, '--scopes', 'admin', '--json');
    return [tenant, /"key": ?"([^"]+)"/.exec(text)![1]!];
  });
  await cli(program, env, 'tenants', 'set', LIMITED_TENANT, ...quotas);
  return new Map(await Promise.all(made));
}

async function codecOf({ topics }: TestDeployment, registry: EmbeddedRegistry | undefined): Promise<Codec> {
  return registry === undefined ? jsonCodec() : openAvroCodec(new Registry({ url: registry.url }), topics);
}

/** Those of the users. */
async function makeTopics(kafka: EmbeddedKafka): Promise<void> {
  const admin = new KafkaAdmin({ config: { brokers: kafka.brokers, clientId: 'chaos' }, log: SILENT });
  const replicationFactor = Math.min(3, kafka.brokers.length);
  await admin.ensureTopics([
    { topic: ORDERS, partitions: MESSAGE_PARTITIONS, replicationFactor, configs: {} },
    { topic: SOURCE.topic, partitions: SOURCE_PARTITIONS, replicationFactor, configs: {} },
  ]);
  await admin.close();
}
