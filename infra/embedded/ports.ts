import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';

import { BelfryError } from '../../services/core/errors.ts';

/**
 * Below the range from which the system takes the local ports of outgoing connections (from 32768 on Linux): otherwise a
 * client's connection could sit on a server's port while the server restarts.
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;
const TRIES = 200;

/** Resolves to true when nobody listens on this port of 127.0.0.1. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Resolves to true when somebody accepts connections on this port of 127.0.0.1. */
export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/**
 * Picks `count` different free ports of 127.0.0.1.
 *
 * @param wanted - ports of a former start, kept while they are still free, so that clients find the servers again
 */
export async function choosePorts(count: number, wanted: readonly number[] = []): Promise<number[]> {
  const chosen = new Set<number>();
  for (const port of wanted.slice(0, count)) if (await isFree(port)) chosen.add(port);
  for (let tries = 0; chosen.size < count && tries < TRIES; tries++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!chosen.has(port) && (await isFree(port))) chosen.add(port);
  }
  if (chosen.size < count)
    throw new BelfryError('no_free_port', 'Found no free port on 127.0.0.1.', { retryable: true });
  return [...chosen];
}
