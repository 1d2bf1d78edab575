import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { isOpen } from '../../infra/embedded/ports.ts';
import { sharedTestStack } from '../../infra/embedded/testing.ts';
import { ownServers, runToEnd, temporaryFolder } from './fixtures.ts';

const script = join(import.meta.dirname, '../../infra/embedded/run-with-stack.ts');

async function stacksLeftIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('belfry-stack-'));
}

void test('the command gets the addresses of its servers, its exit code comes back, and nothing is left', async () => {
  await using folder = await temporaryFolder();
  const command =
    'console.log(JSON.stringify([process.env.KAFKA_BROKERS, process.env.DATABASE_URL])); process.exitCode = 7';
  const env = { ...ownServers, TMPDIR: folder.path };
  const { code, output } = await runToEnd([process.execPath, script, '--', process.execPath, '-e', command], env);

  assert.equal(code, 7, output);
  const line = output.split('\n').find((text) => text.startsWith('['));
  const [brokers, databaseUrl] = JSON.parse(line ?? '[]') as [string, string];
  for (const port of [brokers.split(':')[1], new URL(databaseUrl).port])
    assert.equal(await isOpen(Number(port)), false);
  assert.deepEqual(
    (await readdir(folder.path)).filter((name) => name.startsWith('belfry-stack-')),
    [],
  );
});

void test('servers that are named already are used, and SIGTERM reaches the command, whose exit code comes back', async () => {
  await using folder = await temporaryFolder();
  const env = { ...ownServers, KAFKA_BROKERS: 'one:1', DATABASE_URL: 'postgresql://two', TMPDIR: folder.path };
  const command = `
    process.on('SIGTERM', () => process.exit(9));
    setInterval(() => {}, 1000);
    console.log(process.env.KAFKA_BROKERS, process.env.DATABASE_URL);`;
  const child = spawn(process.execPath, [script, '--', process.execPath, '-e', command], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(said.toString(), 'one:1 postgresql://two\n');

  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [9, null]);
  assert.deepEqual(await stacksLeftIn(folder.path), []);
});

void test('a wrong call is a usage error, and a test outside of it says how to run it', async () => {
  assert.equal((await runToEnd([process.execPath, script, '--regstry', '--', 'true'])).code, 2);
  assert.throws(() => sharedTestStack({}), { code: 'no_test_stack', message: /run-with-stack\.ts -- node --test/ });
});
