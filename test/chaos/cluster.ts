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
import { closeAll } from '../../services/core/close-all.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { ORDERS } from '../support/life.ts';
import { SOURCE, SOURCE_PARTITIONS } from '../support/life-sources.ts';
import { allEnded, keepOpen } from '../support/opened.ts';
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

/** Who took which partition, and when. */
const OWNED_TABLE = `CREATE TABLE chaos.owned (partition int NOT NULL, instance text NOT NULL, at float8 NOT NULL);
CREATE FUNCTION chaos.write_owner() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos.owned VALUES (NEW.partition, NEW.instance, extract(epoch FROM clock_timestamp()) * 1000); RETURN NULL;
END $$;
CREATE TRIGGER write_owner AFTER UPDATE OF instance ON owners FOR EACH ROW EXECUTE FUNCTION chaos.write_owner()`;

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

type Servers = {
  kafka: EmbeddedKafka;
  postgres: EmbeddedPostgres;
  registry: EmbeddedRegistry | undefined;
  sink: pg.Pool;
  sinkUrl: string;
};
type Parts = Pick<Cluster, 'kafka' | 'postgres' | 'deployment' | 'seats' | 'sink' | 'codec' | 'keys'> &
  Pick<Servers, 'registry'>;

export class Cluster {
  readonly kafka: EmbeddedKafka;
  readonly postgres: EmbeddedPostgres;
  readonly deployment: TestDeployment;
  readonly seats: readonly SeatOfProcess[];
  /** Writes commands as a client may, and reads everything. */
  codec: Codec;
  /** Of the HTTP API, by tenant. */
  readonly keys: ReadonlyMap<string, string>;
  /** Told by the handlers what they did. */
  readonly sink: pg.Pool;
  private readonly registry: EmbeddedRegistry | undefined;
  private readonly opened: AsyncDisposableStack;

  private constructor(parts: Parts, opened: AsyncDisposableStack) {
    this.kafka = parts.kafka;
    this.postgres = parts.postgres;
    this.deployment = parts.deployment;
    this.seats = parts.seats;
    this.sink = parts.sink;
    this.codec = parts.codec;
    this.registry = parts.registry;
    this.keys = parts.keys;
    this.opened = opened;
  }

  /** Starts the servers and a process in each seat, and waits until all are ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    await using opened = new AsyncDisposableStack();
    const seats = await openSeats(options, opened);
    const servers = await startServers(options, seats, opened);
    const programsOf = options.releases === null ? { current: CURRENT, former: CURRENT } : await programs();
    const { kafka, postgres, sink, registry } = servers;
    const deployment = await keepOpen(opened, deploy(servers, programsOf.former), (made) => made.destroy());
    await makeTopics(kafka);
    const keys = await prepareTenants(programsOf.former, deployment.env);
    const surroundings = {
      ...{ deployment, kafka, databasePort: postgres.port, env: environment(servers, options) },
      ...{ fakeTime: options.fakeTime, folder: options.folder },
      ...{ programs: programsOf, releases: options.releases ?? [] },
    };
    opened.defer(() => closeAll(seats.map((seat) => () => seat.end())));
    for (const seat of seats) await seat.begin(surroundings);
    await Promise.all(seats.map(async (seat) => seat.current?.service.ready(BEGIN_WITHIN_MS)));
    // The former release's migration registered its own schemas, not those of this one.
    const codec = options.releases === null ? await codecOf(deployment, registry) : jsonCodec(registryOf(registry));
    return new Cluster({ kafka, postgres, deployment, seats, sink, codec, keys, registry }, opened.move());
  }

  get incarnations(): Incarnation[] {
    return this.seats.flatMap(({ incarnations }) => incarnations);
  }

  /** The current release's migration, while the processes go on. */
  async migrate(): Promise<void> {
    await cli(CURRENT, this.deployment.env, 'migrate');
    this.codec = await codecOf(this.deployment, this.registry);
  }

  /** Ends all. What was logged stays in the incarnations. */
  async stop(): Promise<void> {
    await this.opened.disposeAsync();
  }
}

/** Places for processes, with ways to the servers that lead nowhere yet. */
async function openSeats({ brokers }: ClusterOptions, opened: AsyncDisposableStack): Promise<SeatOfProcess[]> {
  const seats = await allEnded(
    SEATS.map((seat, index) => keepOpen(opened, SeatOfProcess.open(seat, index, brokers), (open) => open.close())),
  );
  // The servers end with this process by themselves, those of the product do not.
  process.once('exit', () => seats.forEach(({ current }) => current?.service.child.kill('SIGKILL')));
  return seats;
}

async function startServers(
  { folder, brokers, encoding, log }: ClusterOptions,
  seats: readonly SeatOfProcess[],
  opened: AsyncDisposableStack,
): Promise<Servers> {
  await chmod(folder, 0o711); // root's PostgreSQL runs under an account of its own, which must get to its data
  const dir = (name: string): string => join(folder, 'servers', name);
  await mkdir(dir(''));
  await chmod(dir(''), 0o711);
  const doors = Object.fromEntries(seats.map(({ door, kafka }) => [door, kafka.map(({ port }) => port)]));
  const keep = <T extends { stop(): Promise<void> } | undefined>(starting: Promise<T>): Promise<T> =>
    keepOpen(opened, starting, async (server) => server?.stop());
  const [kafka, postgres, sinkServer, registry] = await allEnded([
    keep(startKafka({ dataDir: dir('kafka'), brokers, doors, settings: SETTINGS, log })),
    keep(startPostgres({ dataDir: dir('postgres'), log })),
    keep(startPostgres({ dataDir: dir('sink'), log })),
    encoding === 'avro' ? keep(startRegistry({ dataDir: dir('registry'), log })) : undefined,
  ] as const);
  const sink = new pg.Pool({ connectionString: sinkServer.url });
  opened.defer(() => sink.end());
  sink.on('error', () => undefined); // its server ends while connections are closing
  await sink.query(SINK_TABLE);
  return { kafka, postgres, sink, sinkUrl: sinkServer.url, registry };
}

/** @param program of the release that makes the schema */
async function deploy({ kafka, postgres, registry }: Servers, program: string): Promise<TestDeployment> {
  await using opened = new AsyncDisposableStack();
  const created = TestDeployment.create({
    servers: { kafkaBrokers: kafka.brokers, databaseUrl: postgres.url },
    partitions: PARTITIONS,
    env: {
      BELFRY_WEBHOOK_KEY: randomBytes(32).toString('base64'),
      ...(registry && { SCHEMA_REGISTRY_URL: registry.url }),
    },
    migrate: async (env) => void (await cli(program, env, 'migrate', ...(registry ? ['--encoding', 'avro'] : []))),
  });
  const deployment = await keepOpen(opened, created, (made) => made.destroy());
  await deployment.pool.query('CREATE SCHEMA chaos');
  await deployment.pool.query('CREATE TABLE chaos.writes (run_id uuid NOT NULL)');
  await deployment.pool.query(ENQUEUED_TABLE);
  await deployment.pool.query(OWNED_TABLE);
  opened.move();
  return deployment;
}

/** Of the handlers and the timers, beside that of every process. */
function environment({ sinkUrl }: Servers, { seed }: ClusterOptions): Record<string, string> {
  const eventSources = `${SOURCE.topic}=${SOURCE.tenant}/${SOURCE.event}`;
  return { CHAOS_SINK: sinkUrl, CHAOS_SEED: String(seed), BELFRY_EVENT_SOURCES: eventSources };
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
  const schemas = registryOf(registry);
  return schemas === undefined ? jsonCodec() : openAvroCodec(schemas, topics);
}

function registryOf(registry: EmbeddedRegistry | undefined): Registry | undefined {
  return registry && new Registry({ url: registry.url });
}

/** Those of the users. */
async function makeTopics(kafka: EmbeddedKafka): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const admin = new KafkaAdmin({ config: { brokers: kafka.brokers, clientId: 'chaos' }, log: SILENT });
  opened.defer(() => admin.close());
  const replicationFactor = Math.min(3, kafka.brokers.length);
  await admin.ensureTopics([
    { topic: ORDERS, partitions: MESSAGE_PARTITIONS, replicationFactor, configs: {} },
    { topic: SOURCE.topic, partitions: SOURCE_PARTITIONS, replicationFactor, configs: {} },
  ]);
}
