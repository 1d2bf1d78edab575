/** A Redis of the bench's own, in a folder of its own, on a free port. */
import { spawnSync } from 'node:child_process';
import { isOpen, choosePorts } from '../../../infra/embedded/ports.ts';
import { createServer, type Server } from '../../../infra/embedded/server.ts';

const PROGRAM = 'redis-server';

/**
 * Starts a Redis that writes what it is told at most a second later (appendfsync everysec).
 * @param hz how often it looks for what is due by itself; its default is 10
 * @throws Error when there is no redis-server on PATH
 */
export async function startRedis(dir: string, hz: number): Promise<Server & { url: string }> {
  if (spawnSync(PROGRAM, ['--version']).status !== 0) throw new Error(`${PROGRAM} is not on PATH: install Redis`);
  const [port] = (await choosePorts(1)) as [number];
  const settings = {
    port,
    bind: '127.0.0.1',
    dir,
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    hz,
    'maxmemory-policy': 'noeviction',
  };
  const server = createServer({
    name: 'Redis',
    dir,
    command: [PROGRAM, ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])],
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    readyWithinMs: 10_000,
    isReady: () => isOpen(port),
    log: (line) => console.error(line),
  });
  await server.start();
  return Object.assign(server, { url: `redis://127.0.0.1:${port}` });
}
