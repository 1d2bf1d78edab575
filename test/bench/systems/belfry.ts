/** Belfry: its services as processes of their own, as its package has them, on embedded servers. */
import { startKafka, type EmbeddedKafka } from '../../../infra/embedded/kafka.ts';
import { startPostgres, type EmbeddedPostgres } from '../../../infra/embedded/postgres.ts';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { KafkaBroker } from '../../../services/adapters/kafka/broker.ts';
import { Belfry } from '../../../services/client/main.ts';
import type { Log } from '../../../services/core/ports/log.ts';
import type { CustomJobInput } from '../../../services/core/spec/input.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { migrate } from '../../../services/migrate/main.ts';
import { readConfig } from '../../../services/runtime/config.ts';
import { Service } from '../../integration/support/service.ts';
import { query } from '../support/database.ts';
import { POSTGRES_SETTINGS } from '../support/postgres.ts';
import { belfryProgram } from '../support/programs.ts';
import { temporaryFolder } from '../support/folder.ts';
import { Reached } from '../support/reached.ts';
import { LINKED_STDIO, WorkerLink } from '../worker/link.ts';
import { paced } from '../worker/pace.ts';
import { inSlices } from '../worker/slices.ts';
import { dueAt, type Load, type Process, type System } from './system.ts';

const HANDLERS = new URL('./belfry-handlers.ts', import.meta.url).pathname;
const SLICE = 5_000;
/** Of the keys of jobs that a workload sends between the measured ones. */
const URGENT = 'default/urgent-';
const ANSWER_TIMEOUT_MS = 120_000;
const DAY_MS = 86_400_000;

const nothing = (): void => undefined;
const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => SILENT };

type Handler = 'noop' | 'urgent' | 'wait';
export type Job = { jobId: string; at: number; handler?: Handler; payload?: unknown; priority?: 'high' };

export class BelfrySystem implements System {
  private readonly env: Readonly<Record<string, string>>;
  private folder: { path: string; remove: () => Promise<void> } | undefined;
  private kafka!: EmbeddedKafka;
  private postgres!: EmbeddedPostgres;
  private client!: Belfry;
  private broker!: KafkaBroker;
  private environment!: Record<string, string>;
  private link!: WorkerLink;
  private readonly services: Service[] = [];
  /** Completion events, each run once; those of urgent jobs do not count. */
  private readonly events = new Set<string>();
  private readonly heard = new Reached(() => this.events.size);
  private scheduled = 0;

  /** @param env settings of the services; TIMER_NODE_OPTIONS are a timer's NODE_OPTIONS, where they are others */
  constructor(env: Readonly<Record<string, string>> = {}) {
    this.env = env;
  }

  get databaseUrl(): string {
    return this.postgres.url;
  }

  async start(): Promise<void> {
    this.folder = await temporaryFolder();
    [this.kafka, this.postgres] = await Promise.all([
      startKafka({ dataDir: `${this.folder.path}/kafka`, optimise: true }),
      startPostgres({ dataDir: `${this.folder.path}/postgres`, settings: POSTGRES_SETTINGS }),
    ]);
    this.environment = {
      PATH: process.env.PATH ?? '',
      KAFKA_BROKERS: this.kafka.brokers.join(','),
      DATABASE_URL: this.postgres.url,
      PORT: '0',
      ...this.env,
    };
    const config = readConfig(this.environment);
    await migrate(config, SILENT, { queues: [], encoding: 'json' });
    const { brokers } = config.kafka;
    this.client = new Belfry({ brokers, log: SILENT });
    this.broker = new KafkaBroker({ config: { brokers, clientId: 'bench' }, log: SILENT, clock: new SystemClock() });
    await this.broker.tail({
      topics: [topicsOf('').completed],
      from: 'end',
      isolation: 'read_committed',
      onRecord: ({ key, headers }) => {
        if (key?.toString().startsWith(URGENT)) return;
        if (headers.ce_type !== 'belfry.run.completed.v1' || headers.ce_id === undefined) return;
        this.events.add(headers.ce_id);
        this.heard.look();
      },
    });
    await this.startServices();
  }

  /** Ends its services and starts others, with these settings besides. */
  async startAnew(env: Readonly<Record<string, string>>): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill('SIGTERM')));
    this.environment = { ...this.environment, ...env };
    await this.startServices();
  }

  timer(): Promise<Service> {
    const { TIMER_NODE_OPTIONS: options } = this.env;
    return this.service(['timer'], options === undefined ? {} : { NODE_OPTIONS: options });
  }

  executor(): Promise<Service> {
    return this.service(['executor', '--handlers', HANDLERS]);
  }

  /** Of the completion events heard so far. */
  get eventIds(): ReadonlySet<string> {
    return this.events;
  }

  /**
   * Lets a second timer join, stops the first, and waits until the second owns all partitions.
   * @returns how long the last ones had no owner at the most: from the signal on, in ms
   */
  async replaceTimer(): Promise<number> {
    const former = this.running('timer');
    const successor = await this.timer();
    const begin = performance.now();
    const stopped = former.kill('SIGTERM');
    while (!/^belfry_partitions_owned\{[^}]*\} 12$/m.test(await successor.metrics()));
    const tookMs = performance.now() - begin;
    await stopped;
    return tookMs;
  }

  /** The process of a service; where there are several, the first that still runs. */
  running(name: 'timer' | 'executor'): Service {
    const service = this.services.find((each) => each.running && each.name.startsWith(name));
    if (service === undefined) throw new Error(`no ${name} runs`);
    return service;
  }

  async enqueue(load: Load): Promise<void> {
    const from = this.scheduled;
    this.scheduled += load.count;
    await inSlices(load.count, SLICE, (index, size) =>
      this.schedule(
        Array.from({ length: size }, (_, n) => ({ jobId: `job-${from + index + n}`, at: dueAt(load, index + n) })),
      ),
    );
  }

  async accept(count: number, perSecond: number): Promise<number[]> {
    const tomorrow = Date.now() + DAY_MS;
    const from = this.scheduled;
    this.scheduled += count;
    return paced(count, perSecond, (index) => this.client.schedule(`job-${from + index}`, custom(tomorrow)));
  }

  /** @throws the first refusal */
  async schedule(jobs: readonly Job[]): Promise<void> {
    const results = await this.client.scheduleMany(
      jobs.map(({ jobId, at, ...more }) => ({
        jobId,
        job: custom(at, more),
        options: { timeoutMs: ANSWER_TIMEOUT_MS },
      })),
    );
    const refused = results.find((result) => result.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }

  /** Completed is: the event was published and read. That the rows say so as well is asserted. */
  async completed(count: number, timeoutMs: number): Promise<number> {
    const events = await this.heard.until(count, timeoutMs);
    if (events < count) return events;
    const rows = await this.sql<{ n: number }>(`SELECT count(*)::int AS n FROM belfry.runs WHERE status = 'COMPLETED'`);
    if ((rows[0]?.n ?? 0) < count) throw new Error(`${events} events, and ${rows[0]?.n} rows COMPLETED`);
    return events;
  }

  lateness(handler: Handler = 'noop'): Promise<number[]> {
    return this.ask('lateness', handler);
  }

  /** Asks the executor's process (belfry-handlers.ts says what). */
  ask<T>(...request: [string, ...(string | number)[]]): Promise<T> {
    return this.link.call<T>(...request);
  }

  processes(): readonly Process[] {
    return [
      ...this.services
        .filter(({ running }) => running)
        .map(({ name, pid }) => ({ name: name.split(' ')[0] ?? name, pid })),
      ...this.kafka.pids.map((pid) => ({ name: 'kafka', pid })),
      ...(this.postgres.pid === undefined ? [] : [{ name: 'postgres', pid: this.postgres.pid }]),
    ];
  }

  async sql<Row extends object>(text: string): Promise<Row[]> {
    return query<Row>(this.databaseUrl, text);
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill('SIGKILL')));
    await this.client?.close();
    await this.broker?.close();
    await Promise.all([this.kafka?.kill(), this.postgres?.kill()]);
    await this.folder?.remove();
  }

  private async startServices(): Promise<void> {
    const [, executor] = await Promise.all([this.timer(), this.executor()]);
    this.link = new WorkerLink(executor.child, 'executor');
  }

  private async service(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Service> {
    const script = await belfryProgram();
    const service = new Service(args, { env: { ...this.environment, ...more }, stdio: LINKED_STDIO, script });
    this.services.push(service);
    await service.ready();
    return service;
  }
}

function custom(at: number, { handler = 'noop', payload, priority }: Partial<Job> = {}): CustomJobInput {
  return {
    type: 'CUSTOM',
    handler,
    schedule: { at: new Date(at).toISOString() },
    ...(payload !== undefined && { payload }),
    ...(priority !== undefined && { priority }),
  };
}
