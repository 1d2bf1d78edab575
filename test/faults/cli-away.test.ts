/** The command line while its servers are away: each command says so in one line, in time, and ends with 5. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';

const main = join(import.meta.dirname, '../../services/cli/main.ts');
/** Questions have 10 s; the rest is for starting and closing on a busy machine. */
const WITHIN_MS = 40_000;
const SCHEDULE = ['schedule', 'x', '--handler', 'h', '--in', '5s'];
const WATCH = ['events', 'watch'];

describe('the command line while its servers are away', { timeout: 120_000, concurrency: 6 }, () => {
  let folder: string;
  let hole: Server;
  const taken = new Set<Socket>();
  const ports = { 'refuse connections': 0, 'take connections and never answer': 0 };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-cli-away-'));
    hole = createServer((socket) => taken.add(socket.on('error', () => undefined)));
    await once(hole.listen(0, '127.0.0.1'), 'listening');
    ports['take connections and never answer'] = (hole.address() as AddressInfo).port;
    const closed = createServer();
    await once(closed.listen(0, '127.0.0.1'), 'listening');
    ports['refuse connections'] = (closed.address() as AddressInfo).port;
    closed.close();
  });
  after(async () => {
    for (const socket of taken) socket.destroy();
    hole.close();
    await rm(folder, { recursive: true });
  });

  const ways = {
    'beside the servers': (port: number) => ({
      KAFKA_BROKERS: `127.0.0.1:${port}`,
      DATABASE_URL: `postgres://127.0.0.1:${port}/x`,
    }),
    'over HTTP': (port: number) => ({ BELFRY_API_URL: `http://127.0.0.1:${port}`, BELFRY_API_KEY: 'bfy_x' }),
  };
  for (const how of ['refuse connections', 'take connections and never answer'] as const) {
    for (const [way, envOf] of Object.entries(ways)) {
      for (const args of [['jobs', 'list'], SCHEDULE, WATCH]) {
        it(`belfry ${args.slice(0, 2).join(' ')} ${way} that ${how}`, async () => {
          const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
          const env = { PATH, NODE_COMPILE_CACHE, BELFRY_DATA_DIR: folder, ...envOf(ports[how]) };
          const child = spawn(process.execPath, [main, ...args], {
            env,
            cwd: folder,
            timeout: WITHIN_MS,
            stdio: ['ignore', 'pipe', 'pipe'],
          });
          const [stdout, stderr, [code, signal]] = await Promise.all([
            text(child.stdout),
            text(child.stderr),
            once(child, 'close') as Promise<[number | null, string | null]>,
          ]);
          assert.deepEqual([code, signal, stdout], [5, null, ''], stderr);
          assert.match(stderr, /^error: .*(Kafka|PostgreSQL|API).*\n$/, 'one line');
        });
      }
    }
  }
});
