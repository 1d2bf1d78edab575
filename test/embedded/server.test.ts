import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { identityOf, isAlive } from '../../infra/embedded/processes.ts';
import { createServer, stopLeftover, type ServerSpec } from '../../infra/embedded/server.ts';
import { becomesTrue, startScript, temporaryFolder } from './fixtures.ts';

const quiet = () => undefined;

function spec(dir: string, script: string): ServerSpec {
  return {
    name: 'Test server',
    dir,
    command: [process.execPath, '-e', script],
    stopSignal: 'SIGTERM',
    stopWithinMs: 300,
    readyWithinMs: 5_000,
    isReady: () => Promise.resolve(true),
    log: quiet,
  };
}

function sleeper() {
  return spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
}

void test('a server that dies while it starts is reported with the last lines that it wrote', async () => {
  await using folder = await temporaryFolder();
  const server = createServer({
    ...spec(folder.path, 'console.error("port is taken"); process.exit(3)'),
    isReady: () => Promise.resolve(false),
  });

  await assert.rejects(server.start(), {
    code: 'server_failed',
    message: /ended while starting \(code 3\)[^]*port is taken/,
  });
  assert.equal(server.pid, undefined);
});

void test('a server that ignores the request to stop is killed', async () => {
  await using folder = await temporaryFolder();
  const sign = join(folder.path, 'listening');
  const deaf = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); require('fs').writeFileSync('${sign}', '')`;
  const server = createServer({ ...spec(folder.path, deaf), isReady: () => Promise.resolve(existsSync(sign)) });
  await server.start();
  const identity = await identityOf(server.pid ?? 0);
  assert.ok(identity);

  await server.stop();
  assert.equal(await isAlive(identity), false);
});

void test('a server ends by itself, and at once, when its parent is killed with SIGKILL', async () => {
  await using folder = await temporaryFolder();
  const { child, first } = await startScript<{ pid: number }>('hold-server.ts', folder.path);
  const identity = await identityOf(first.pid);
  assert.ok(identity);

  child.kill('SIGKILL');
  assert.ok(await becomesTrue(async () => !(await isAlive(identity)), 2_000));
});

void test('the leftover of an earlier start is stopped, a stranger that got its pid is left alone', async () => {
  await using folder = await temporaryFolder();
  const [leftover, stranger] = [sleeper(), sleeper()];
  const pidFile = join(folder.path, 'server.pid');

  await writeFile(pidFile, JSON.stringify({ pid: stranger.pid, started: 'at another time' }));
  await stopLeftover(spec(folder.path, ''));
  assert.ok(await identityOf(stranger.pid as number));

  await writeFile(pidFile, JSON.stringify(await identityOf(leftover.pid as number)));
  const ended = once(leftover, 'exit');
  await stopLeftover(spec(folder.path, ''));
  assert.deepEqual(await ended, [null, 'SIGTERM']);
  stranger.kill();
});
