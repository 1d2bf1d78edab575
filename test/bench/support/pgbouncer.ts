/** A PgBouncer of the bench's own in transaction mode, in front of its PostgreSQL, on a free port. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findAccount } from '../../../infra/embedded/postgres-account.ts';
import { choosePorts, isOpen } from '../../../infra/embedded/ports.ts';
import { createServer, type Server } from '../../../infra/embedded/server.ts';
import { sessionSettings } from '../../../services/adapters/postgres/pool.ts';

const PROGRAM = 'pgbouncer';
/** The first that keeps named statements in transaction mode. */
const LEAST = '1.21';

/** @throws Error when there is none on PATH, or one that is too old */
export function requirePgBouncer(): void {
  const { stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' });
  const version = /^PgBouncer (\d+\.\d+)/.exec(stdout ?? '')?.[1];
  if (version === undefined) throw new Error(`${PROGRAM} is not on PATH: install PgBouncer ${LEAST} or later`);
  if (version.localeCompare(LEAST, 'en', { numeric: true }) < 0)
    throw new Error(`PgBouncer ${version} is too old: install ${LEAST} or later`);
}

/**
 * Whoever calls it has asked `requirePgBouncer`.
 * @param databaseUrl of the server
 * @param poolSize connections to the server at the most
 */
export async function startPgBouncer(
  dir: string,
  databaseUrl: string,
  poolSize: number,
): Promise<Server & { url: string }> {
  const [port] = (await choosePorts(1)) as [number];
  const to = new URL(databaseUrl);
  const login = `user=${to.username} password=${to.password}`;
  const settings = `[databases]
* = host=${to.hostname} port=${to.port} ${login} connect_query='${sessionSettings({ schema: 'belfry' })}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 1000
max_prepared_statements = 200
`;
  const file = join(dir, 'pgbouncer.ini');
  await writeFile(file, settings, { mode: 0o644 });
  const { ids, prefix } = await findAccount(dir);
  const command: string[] = [...prefix, PROGRAM, file];
  const server = createServer({
    name: 'PgBouncer',
    dir: join(dir, 'pgbouncer'),
    command: command as [string, ...string[]],
    ...(ids && { account: ids }),
    stopSignal: 'SIGINT',
    stopWithinMs: 5_000,
    readyWithinMs: 10_000,
    isReady: () => isOpen(port),
    log: (line) => console.error(line),
  });
  await server.start();
  to.hostname = '127.0.0.1';
  to.port = String(port);
  return Object.assign(server, { url: to.href });
}
