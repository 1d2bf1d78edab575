/**
 * The processes of a chaos run. A seat is a place for a process, with ways of its own to the servers and perhaps a clock of its
 * own; whoever takes it next is its next incarnation, under another name.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddedKafka } from '../../infra/embedded/kafka.ts';
import type { TestDeployment } from '../integration/support/deployment.ts';
import type { Service } from '../integration/support/service.ts';
import type { Seat } from './plan.ts';
import { Proxy } from './proxy.ts';
import type { Release, Releases } from './releases.ts';

const HANDLERS = new URL('./handlers.ts', import.meta.url).pathname;
/** Slots are few, so that executors hand over. */
const SLOTS = '12';
const SHUTDOWN_TIMEOUT = '8s';

/** Times are ms since the epoch. */
export type Incarnation = {
  node: string;
  seat: number;
  release: Release;
  service: Service;
  startedAt: number;
  endedAt: number | null;
};

export type Surroundings = {
  deployment: TestDeployment;
  kafka: EmbeddedKafka;
  databasePort: number;
  /** Of handlers. */
  env: Readonly<Record<string, string>>;
  /** Of libfaketime; null: clocks cannot be shifted. */
  fakeTime: string | null;
  folder: string;
  /** What is run of each release. */
  programs: Record<Release, string>;
  releases: Releases;
};

export class SeatOfProcess {
  readonly seat: Seat;
  readonly index: number;
  readonly kafka: readonly Proxy[];
  readonly database: Proxy;
  /** Where an API is found, whoever serves it. */
  readonly front: Proxy;
  /** Who has it, or had it last. */
  current: Incarnation | undefined;
  readonly incarnations: Incarnation[] = [];
  /** Ends that nobody asked for. */
  readonly surprises: string[] = [];
  private surroundings: Surroundings | undefined;
  private isEnding = false;

  private constructor(seat: Seat, index: number, ways: Pick<SeatOfProcess, 'kafka' | 'database' | 'front'>) {
    this.seat = seat;
    this.index = index;
    this.kafka = ways.kafka;
    this.database = ways.database;
    this.front = ways.front;
  }

  /** Opens its ways to the servers, which lead nowhere yet. */
  static async open(seat: Seat, index: number, brokers: number): Promise<SeatOfProcess> {
    const kafka = await Promise.all(Array.from({ length: brokers }, () => Proxy.open()));
    return new SeatOfProcess(seat, index, { kafka, database: await Proxy.open(), front: await Proxy.open() });
  }

  /** The listener of Kafka that leads here. */
  get door(): string {
    return `SEAT${this.index}`;
  }

  get isLive(): boolean {
    return this.current?.service.running === true;
  }

  /** Joins its ways to the servers, and puts the first process there. */
  async begin(surroundings: Surroundings): Promise<void> {
    const { kafka, databasePort } = surroundings;
    this.surroundings = surroundings;
    this.kafka.forEach((proxy, node) => (proxy.targetPort = kafka.doors.get(this.door)?.[node]));
    this.database.targetPort = databasePort;
    if (surroundings.fakeTime !== null) this.setClock(0);
    await this.start();
  }

  /** Puts a process there, unless one lives; it may not be ready yet. */
  async start(): Promise<void> {
    if (this.isLive || this.isEnding) return;
    const { deployment } = this.parts;
    const count = this.incarnations.length + 1;
    const node = count === 1 ? this.seat.name : `${this.seat.name}.${count}`;
    const releases = this.parts.releases[this.index] ?? [];
    const release = releases[count - 1] ?? releases.at(-1) ?? 'current';
    const script = this.parts.programs[release];
    const options = { env: this.environment(node), waitReady: false, isQuiet: true, script };
    const args = this.seat.kind === 'executor' ? ['executor', '--handlers', HANDLERS] : [this.seat.kind];
    const service = await deployment.start(args, options);
    const incarnation: Incarnation = {
      ...{ node, seat: this.index, release, service },
      ...{ startedAt: Date.now(), endedAt: null },
    };
    this.current = incarnation;
    this.incarnations.push(incarnation);
    service.port.then((port) => (this.front.targetPort = port)).catch(() => undefined); // it ended
    service.child.once('exit', (code, signal) => {
      incarnation.endedAt ??= Date.now();
      if (this.isAwaited) return;
      this.surprises.push(`${node} (${release}) ended by itself (${code ?? signal})`);
      void this.start();
    });
  }

  /** @returns the exit code of its process, null where the signal ended it */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const { current } = this;
    this.isAwaited = true;
    try {
      if (signal === 'SIGKILL' && current?.service.running === true) current.endedAt = Date.now();
      return (await current?.service.kill(signal)) ?? null;
    } finally {
      this.isAwaited = false;
    }
  }

  /** @param byMs what its clock is ahead of the machine's */
  setClock(byMs: number): void {
    writeFileSync(this.clockFile, `${byMs < 0 ? '-' : '+'}${Math.abs(byMs) / 1_000}\n`);
  }

  /** Nobody takes it any more. */
  async end(): Promise<void> {
    this.isEnding = true;
    await this.kill('SIGKILL');
  }

  /** Closes its ways to the servers. */
  async close(): Promise<void> {
    await Promise.all([...this.kafka, this.database, this.front].map((proxy) => proxy.close()));
  }

  private isAwaited = false;

  private get clockFile(): string {
    return join(this.parts.folder, `clock-${this.seat.name}`);
  }

  private get parts(): Surroundings {
    if (this.surroundings === undefined) throw new Error(`${this.seat.name} has not begun`);
    return this.surroundings;
  }

  private environment(node: string): Record<string, string> {
    const { deployment, env, fakeTime } = this.parts;
    const url = new URL(deployment.env.DATABASE_URL!);
    url.port = String(this.database.port);
    return {
      ...env,
      CHAOS_NODE: node,
      CHAOS_LIMITED: this.seat.isLimited ? '1' : '0',
      KAFKA_BROKERS: this.kafka.map(({ port }) => `127.0.0.1:${port}`).join(','),
      DATABASE_URL: url.href,
      BELFRY_CONCURRENCY: SLOTS,
      BELFRY_SHUTDOWN_TIMEOUT: SHUTDOWN_TIMEOUT,
      ...(fakeTime === null
        ? {}
        : {
            LD_PRELOAD: fakeTime,
            FAKETIME_TIMESTAMP_FILE: this.clockFile,
            FAKETIME_CACHE_DURATION: '1',
            // Timers and the steady clock go on: what is set is the time of day.
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
          }),
    };
  }
}
