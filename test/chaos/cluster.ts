/** Everything of a chaos run: servers, processes of the product in their seats, and the sink of the handlers. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startKafka, type EmbeddedKafka } from '../../infra/embedded/kafka.ts';
import { startPostgres, type EmbeddedPostgres } from '../../infra/embedded/postgres.ts';
import { KafkaAdmin } from '../../services/adapters/kafka/admin.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { ORDERS } from '../support/life.ts';
import { SOURCE, SOURCE_PARTITIONS } from '../support/life-sources.ts';
import { PARTITIONS } from './load.ts';
import { SEATS } from './plan.ts';
import { SeatOfProcess, type Incarnation } from './seats.ts';

const MESSAGE_PARTITIONS = 2;
/** All processes begin at once, perhaps on a machine that does other work. */
const BEGIN_WITHIN_MS = 90_000;
/** What the brokers write on records is the true time, whatever the clock of the process that sends them says. */
const SETTINGS = { 'log.message.timestamp.type': 'LogAppendTime' };
const SINK_TABLE = `CREATE TABLE calls (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id uuid NOT NULL, job text NOT NULL, attempt int NOT NULL,
  idempotency_key uuid NOT NULL, scheduled_for float8 NOT NULL, node text NOT NULL, started_at float8 NOT NULL,
  ended_at float8, how text, obedient boolean NOT NULL)`;

/** What clients write beside a command that they enqueue. */
const ENQUEUED_TABLE = `CREATE TABLE chaos.enqueued (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, command_id text NOT NULL)`;

export type ClusterOptions = {
  folder: string;
  seed: number;
  brokers: number;
  fakeTime: string | null;
  log: (line: string) => void;
};

export class Cluster {
  readonly kafka: EmbeddedKafka;
  readonly postgres: EmbeddedPostgres;
  readonly deployment: TestDeployment;
  readonly seats: readonly SeatOfProcess[];
  /** Told by the handlers what they did. */
  readonly sink: pg.Pool;
  private readonly sinkServer: EmbeddedPostgres;

  private constructor(
    parts: Pick<Cluster, 'kafka' | 'postgres' | 'deployment' | 'seats' | 'sink'> & { sinkServer: EmbeddedPostgres },
  ) {
    this.kafka = parts.kafka;
    this.postgres = parts.postgres;
    this.deployment = parts.deployment;
    this.seats = parts.seats;
    this.sink = parts.sink;
    this.sinkServer = parts.sinkServer;
  }

  /** Starts the servers and a process in each seat, and waits until all are ready. */
  static async start({ folder, seed, brokers, fakeTime, log }: ClusterOptions): Promise<Cluster> {
    await chmod(folder, 0o711); // root's PostgreSQL runs under an account of its own, which must get to its data
    const dir = (name: string): string => join(folder, name);
    const seats = await Promise.all(SEATS.map((seat, index) => SeatOfProcess.open(seat, index, brokers)));
    // The servers end with this process by themselves, those of the product do not.
    process.once('exit', () => seats.forEach(({ current }) => current?.service.child.kill('SIGKILL')));
    const doors = Object.fromEntries(seats.map(({ door, kafka }) => [door, kafka.map(({ port }) => port)]));
    await mkdir(dir('servers'));
    await chmod(dir('servers'), 0o711);
    const [kafka, postgres, sinkServer] = await Promise.all([
      startKafka({ dataDir: dir('servers/kafka'), brokers, doors, settings: SETTINGS, log }),
      startPostgres({ dataDir: dir('servers/postgres'), log }),
      startPostgres({ dataDir: dir('servers/sink'), log }),
    ]);
    const sink = new pg.Pool({ connectionString: sinkServer.url });
    sink.on('error', () => undefined); // its server ends while connections are closing
    await sink.query(SINK_TABLE);
    const servers = { kafkaBrokers: kafka.brokers, databaseUrl: postgres.url };
    const deployment = await TestDeployment.create({ servers, partitions: PARTITIONS });
    await deployment.pool.query('CREATE SCHEMA chaos');
    await deployment.pool.query('CREATE TABLE chaos.writes (run_id uuid NOT NULL)');
    await deployment.pool.query(ENQUEUED_TABLE);
    await makeTopics(kafka);
    const eventSources = `${SOURCE.topic}=${SOURCE.tenant}/${SOURCE.event}`;
    const env = { CHAOS_SINK: sinkServer.url, CHAOS_SEED: String(seed), BELFRY_EVENT_SOURCES: eventSources };
    const surroundings = { deployment, kafka, databasePort: postgres.port, env, fakeTime, folder };
    for (const seat of seats) await seat.begin(surroundings);
    await Promise.all(seats.map(async (seat) => seat.current?.service.ready(BEGIN_WITHIN_MS)));
    return new Cluster({ kafka, postgres, deployment, seats, sink, sinkServer });
  }

  get incarnations(): Incarnation[] {
    return this.seats.flatMap(({ incarnations }) => incarnations);
  }

  /** Ends all. What was logged stays in the incarnations. */
  async stop(): Promise<void> {
    await Promise.all(this.seats.map((seat) => seat.close()));
    await this.deployment.destroy();
    await this.sink.end();
    await Promise.all([this.kafka.stop(), this.postgres.stop(), this.sinkServer.stop()]);
  }
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
