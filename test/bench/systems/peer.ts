/**
 * A peer: its client and its worker are processes of their own (peers/, db-scheduler/), which speak the link of worker/serve.ts. Its
 * server is fresh.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../../../infra/embedded/postgres.ts';
import { POSTGRES_SETTINGS } from '../support/postgres.ts';
import type { Server } from '../../../infra/embedded/server.ts';
import { temporaryFolder } from '../support/folder.ts';
import type { Program } from '../support/programs.ts';
import { startRedis } from '../support/redis.ts';
import { LINKED_STDIO, WorkerLink } from '../worker/link.ts';
import type { Load, Process, System } from './system.ts';

export type PeerSpec = {
  program: () => Promise<Program>;
  server: 'postgres' | { redisHz: number };
  /** Given to its processes as JSON. */
  settings: object;
};

const LOOK_MS = 10;

export class PeerSystem implements System {
  databaseUrl: string | undefined;
  private readonly spec: PeerSpec;
  private folder: { path: string; remove: () => Promise<void> } | undefined;
  private server: (Server & { url: string }) | undefined;
  private readonly children: ChildProcess[] = [];
  private client!: WorkerLink;
  private worker!: WorkerLink;

  constructor(spec: PeerSpec) {
    this.spec = spec;
  }

  async start(): Promise<void> {
    const program = await this.spec.program();
    this.folder = await temporaryFolder();
    const dir = `${this.folder.path}/server`;
    const { server } = this.spec;
    if (server === 'postgres') this.server = await startPostgres({ dataDir: dir, settings: POSTGRES_SETTINGS });
    else this.server = await startRedis(dir, server.redisHz);
    if (server === 'postgres') this.databaseUrl = this.server.url;
    this.client = this.spawn(program, 'client');
    await this.client.call('open'); // makes the tables
    this.worker = this.spawn(program, 'worker');
    await this.worker.call('open');
  }

  async enqueue({ count, firstAt, perSecond }: Load): Promise<void> {
    await this.client.call('enqueue', count, firstAt, perSecond ?? '-');
  }

  accept(count: number, perSecond: number): Promise<number[]> {
    return this.client.call<number[]>('accept', count, perSecond);
  }

  /** Completed is: started, and nothing left that has not completed. */
  async completed(count: number, timeoutMs: number): Promise<number> {
    const deadline = Date.now() + timeoutMs;
    const started = await this.worker.call<number>('until', count, timeoutMs);
    while ((await this.client.call<number>('unfinished')) > 0 && Date.now() < deadline) await sleep(LOOK_MS);
    return started;
  }

  lateness(): Promise<number[]> {
    return this.worker.call<number[]>('lateness');
  }

  processes(): readonly Process[] {
    const worker = this.children[1]?.pid;
    const server = this.server?.pid;
    return [
      ...(worker === undefined ? [] : [{ name: 'worker', pid: worker }]),
      ...(server === undefined ? [] : [{ name: this.spec.server === 'postgres' ? 'postgres' : 'redis', pid: server }]),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map(end));
    await this.server?.kill();
    await this.folder?.remove();
  }

  private spawn([command, ...args]: Program, role: 'client' | 'worker'): WorkerLink {
    const child = spawn(command, [...args, role], { stdio: [...LINKED_STDIO], env: this.environment() });
    child.stdout.resume(); // what it logs is not wanted
    child.stderr.on('data', (text: Buffer) => process.stderr.write(text));
    this.children.push(child);
    return new WorkerLink(child, role);
  }

  private environment(): NodeJS.ProcessEnv {
    const url = new URL(this.server?.url ?? '');
    return {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_ENV: 'production',
      BENCH_URL: url.href,
      BENCH_JDBC_URL: `jdbc:postgresql://${url.host}${url.pathname}?reWriteBatchedInserts=true`,
      BENCH_DB_USER: url.username,
      BENCH_DB_PASSWORD: url.password,
      BENCH_SETTINGS: JSON.stringify(this.spec.settings),
    };
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
