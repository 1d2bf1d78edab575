/**
 * A deployment of its own for a test: topics under a random prefix, tables in a random schema, real processes of the
 * product. Nothing of one test reaches another, so that test files could run side by side on one stack.
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { sharedTestStack } from '../../../infra/embedded/testing.ts';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { Registry } from '../../../services/adapters/codec/registry.ts';
import { KafkaBroker } from '../../../services/adapters/kafka/broker.ts';
import { PostgresApiKeys } from '../../../services/adapters/postgres/api-keys.ts';
import { openPool, type Pg } from '../../../services/adapters/postgres/pool.ts';
import { Belfry } from '../../../services/client/main.ts';
import { KEY_BYTES, makeKey } from '../../../services/core/api-key.ts';
import { closeInTurn } from '../../../services/core/close-all.ts';
import { messageOf } from '../../../services/core/errors.ts';
import type { Scope } from '../../../services/core/ports/api-keys.ts';
import type { Log } from '../../../services/core/ports/log.ts';
import type { Outcome } from '../../../services/core/records.ts';
import { topicsOf, type Topics } from '../../../services/core/topics.ts';
import { migrate } from '../../../services/migrate/main.ts';
import { readConfig } from '../../../services/runtime/config.ts';
import { Service, type ServiceOptions } from './service.ts';

const nothing = (): void => undefined;
export const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => SILENT };

export type DeploymentOptions = {
  /** Servers of the test's own; default: those that all tests share. */
  servers?: { kafkaBrokers: readonly string[]; databaseUrl: string };
  partitions?: number;
  /** Avro needs SCHEMA_REGISTRY_URL in `env`. */
  encoding?: 'json' | 'avro';
  queues?: readonly string[];
  env?: Record<string, string>;
  /** Instead of the migration of this release; gets the environment of the deployment's processes. */
  migrate?: (env: Record<string, string>) => Promise<void>;
};

export class TestDeployment {
  readonly env: Record<string, string>;
  readonly topics: Topics;
  readonly pool: pg.Pool;
  readonly client: Belfry;
  readonly broker: KafkaBroker;
  readonly schema: string;
  readonly apiKeys: PostgresApiKeys;
  readonly services: Service[] = [];
  private readonly pg: Pg;
  /** Every outcome that a read_committed reader of job.completed has seen, in order, repeats included. */
  readonly outcomes: Outcome[] = [];
  private readonly byStatus = new Map<Outcome['status'], Map<string, Outcome>>();
  private readonly listeners = new Set<() => void>();

  private constructor(env: Record<string, string>) {
    this.env = env;
    const config = readConfig(env);
    this.schema = config.databaseSchema;
    this.topics = topicsOf(config.topicPrefix);
    this.pool = new pg.Pool({ connectionString: config.databaseUrl, max: 4, options: `-c search_path=${this.schema}` });
    this.pool.on('error', nothing); // a test may restart the database
    const { databaseUrl, databaseSchema: schema } = config;
    this.pg = openPool({ databaseUrl, schema, max: 2, applicationName: 'test', log: SILENT });
    this.apiKeys = new PostgresApiKeys(this.pg);
    const kafka = {
      brokers: config.kafka.brokers,
      topicPrefix: config.topicPrefix,
      registry: config.registry,
      log: SILENT,
    };
    this.client = new Belfry(kafka);
    this.broker = new KafkaBroker({
      config: { brokers: kafka.brokers, clientId: 'test' },
      log: SILENT,
      clock: new SystemClock(),
    });
  }

  /** Migrates and begins to listen to outcomes. */
  static async create(options: DeploymentOptions = {}): Promise<TestDeployment> {
    const servers = options.servers ?? sharedTestStack();
    const id = randomBytes(4).toString('hex');
    const env = {
      PATH: process.env.PATH ?? '',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      KAFKA_BROKERS: servers.kafkaBrokers.join(','),
      DATABASE_URL: servers.databaseUrl,
      BELFRY_TOPIC_PREFIX: `t${id}.`,
      BELFRY_DB_SCHEMA: `t${id}`,
      BELFRY_HTTP_ALLOW: '127.0.0.1',
      LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'warn',
      PORT: '0',
      ...options.env,
    };
    const first = { ...env, BELFRY_PARTITIONS: String(options.partitions ?? 12) };
    const { queues = [], encoding = 'json' } = options;
    await (options.migrate?.(first) ?? migrate(readConfig(first), SILENT, { queues, encoding }));
    await using opened = new AsyncDisposableStack();
    const deployment = new TestDeployment(env);
    opened.defer(() => deployment.destroy());
    await deployment.pool.query(SINK_TABLE);
    await deployment.listen();
    opened.move();
    return deployment;
  }

  timer(options: ServiceOptions = {}): Promise<Service> {
    return this.start(['timer'], options);
  }

  /** With the test handlers (support/handlers.ts) unless told otherwise. */
  executor({ queue = 'default', ...options }: ServiceOptions & { queue?: string } = {}): Promise<Service> {
    const handlers = new URL('./handlers.ts', import.meta.url).pathname;
    return this.start(['executor', '--handlers', handlers, '--queue', queue], options);
  }

  /** With a key of each kind that is asked for; without any, it does not start. */
  api(options: ServiceOptions = {}): Promise<Service> {
    return this.start(['api'], options);
  }

  /** Makes an API key. */
  async key(scopes: readonly Scope[], tenant = 'default', ttlMs: number | null = null): Promise<string> {
    const made = makeKey(randomBytes(KEY_BYTES));
    await this.apiKeys.create({ ...made, tenant, name: 'test', scopes, ttlMs });
    return made.text;
  }

  /** Resolves as soon as `done` holds; looked at again at each outcome. @throws after `timeoutMs`, telling what was seen */
  async until(what: string, done: (outcomes: readonly Outcome[]) => boolean, timeoutMs = 30_000): Promise<void> {
    if (done(this.outcomes)) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.listeners.delete(check);
        reject(
          new Error(`not within ${timeoutMs} ms: ${what}; ${this.outcomes.length} outcomes so far: ${this.tally()}`),
        );
      }, timeoutMs);
      const check = (): void => {
        if (!done(this.outcomes)) return;
        clearTimeout(timer);
        this.listeners.delete(check);
        resolve();
      };
      this.listeners.add(check);
    });
  }

  /** Resolves when this many distinct runs have the status. */
  untilRuns(count: number, status: Outcome['status'], timeoutMs = 30_000): Promise<void> {
    return this.until(`${count} runs ${status}`, () => this.distinct(status).size >= count, timeoutMs);
  }

  /** The last outcome of every run that ended so. */
  distinct(status: Outcome['status']): ReadonlyMap<string, Outcome> {
    return this.byStatus.get(status) ?? new Map<string, Outcome>();
  }

  async rows<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(text, values)).rows;
  }

  /** `work` in a transaction of a user of the same database. */
  async transaction(
    work: (pg: pg.PoolClient) => Promise<unknown>,
    end: 'COMMIT' | 'ROLLBACK' = 'COMMIT',
  ): Promise<void> {
    const connection = await this.pool.connect();
    let failed = true;
    try {
      await connection.query('BEGIN');
      await work(connection);
      await connection.query(end);
      failed = false;
    } finally {
      connection.release(failed);
    }
  }

  /** Asks the database again and again until the answer is yes: for states that no event announces. */
  async untilRow(what: string, text: string, values: unknown[] = [], timeoutMs = 15_000): Promise<pg.QueryResultRow> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const [row] = await this.rows(text, values);
      if (row !== undefined) return row;
      if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** The first record of a topic with this key that has a value; waits for it. */
  firstRecord(topic: string, key: string): Promise<{ value: Buffer; headers: Readonly<Record<string, string>> }> {
    return new Promise((resolve, reject) => {
      this.broker
        .tail({
          topics: [topic],
          from: 'beginning',
          isolation: 'read_committed',
          onRecord: (record) => {
            const { value, headers } = record;
            if (record.key?.toString() === key && value !== null) resolve({ value, headers });
          },
        })
        .catch(reject);
    });
  }

  /** Kills every executor: for the end of a test that may have left some. */
  async killExecutors(): Promise<void> {
    await Promise.all(
      this.services.filter(({ name }) => name.startsWith('executor')).map((each) => each.kill('SIGKILL')),
    );
  }

  /** Stops every process and drops what the deployment made. */
  async destroy(): Promise<void> {
    await closeInTurn([
      () => Promise.all(this.services.map((service) => service.kill('SIGKILL'))),
      () => this.client.close(),
      () => this.broker.close(),
      () => this.pool.query(`DROP SCHEMA IF EXISTS ${this.schema} CASCADE`),
      () => this.pool.end(),
      () => this.pg.close(),
    ]);
  }

  async start(args: readonly string[], options: ServiceOptions): Promise<Service> {
    const service = new Service(args, { ...options, env: { ...this.env, ...options.env } });
    this.services.push(service);
    if (options.waitReady !== false) await service.ready();
    return service;
  }

  private tally(): string {
    const counts = new Map<string, number>();
    for (const { status } of this.outcomes) counts.set(status, (counts.get(status) ?? 0) + 1);
    return [...counts].map(([status, count]) => `${count} ${status}`).join(', ');
  }

  private async listen(): Promise<void> {
    const { registry } = readConfig(this.env);
    const codec = jsonCodec(registry && new Registry(registry));
    await this.broker.tail({
      topics: [this.topics.completed],
      from: 'end',
      isolation: 'read_committed',
      onRecord: ({ value }) => {
        if (value === null) return;
        codec.decodeOutcome(value).then(
          (outcome) => {
            this.outcomes.push(outcome);
            const known = this.byStatus.get(outcome.status) ?? new Map<string, Outcome>();
            this.byStatus.set(outcome.status, known.set(outcome.runId, outcome));
            for (const listener of [...this.listeners]) listener();
          },
          (error: unknown) => console.error('an outcome cannot be read:', messageOf(error)),
        );
      },
    });
  }
}

/** Written by the test handlers outside of Belfry's knowledge: what really happened. */
const SINK_TABLE = `CREATE TABLE IF NOT EXISTS sink (
  at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL, run_id uuid NOT NULL, job_id text NOT NULL,
  idempotency_key uuid NOT NULL, attempt int NOT NULL, pid int NOT NULL, scheduled_for timestamptz NOT NULL)`;
