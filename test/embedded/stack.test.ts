import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';

import { defaultCacheDir, resolveKafkaJars } from '../../infra/embedded/maven.ts';
import { identityOf, isAlive } from '../../infra/embedded/processes.ts';
import { startStack } from '../../infra/embedded/stack.ts';
import {
  becomesTrue,
  ownServers,
  query,
  readMark,
  runToEnd,
  startScript,
  temporaryFolder,
  writeMark,
} from './fixtures.ts';

type Held = { kafkaBrokers: string[]; databaseUrl: string; pids: number[] };

const holdStack = join(import.meta.dirname, 'hold-stack.ts');
const kept = { messages: '1', row: { value: 'kept' } };

before(() => resolveKafkaJars(defaultCacheDir(ownServers), ownServers, console.error));

void test('after kill -9 of the process that runs them the servers are gone, and the next start has ports and data again', async () => {
  await using folder = await temporaryFolder();
  const { child, first } = await startScript<Held>('hold-stack.ts', folder.path);
  await writeMark(first.kafkaBrokers, first.databaseUrl);
  const servers = await Promise.all(first.pids.map(identityOf));

  child.kill('SIGKILL');
  await once(child, 'exit');
  // Not waiting for the servers' end: the next start must cope with servers that are just going.
  const withoutMaven = { ...ownServers, PATH: '/nowhere' };
  const stack = await startStack({ dataDir: folder.path, env: withoutMaven });
  try {
    for (const server of servers) assert.ok(server && !(await isAlive(server)), 'an orphan still runs');
    assert.deepEqual(stack.kafkaBrokers, first.kafkaBrokers);
    assert.equal(stack.databaseUrl, first.databaseUrl);
    assert.deepEqual(await readMark(stack.kafkaBrokers, stack.databaseUrl), kept);
  } finally {
    await stack.stop();
  }
});

void test('orphans end without a next start', async () => {
  await using folder = await temporaryFolder();
  const { child, first } = await startScript<Held>('hold-stack.ts', folder.path);
  const servers = await Promise.all(first.pids.map(identityOf));

  child.kill('SIGKILL');
  const gone = async () =>
    (await Promise.all(servers.map(async (server) => server && isAlive(server)))).every((alive) => !alive);
  assert.ok(await becomesTrue(gone, 5_000));
});

void test('data survives a stop even when the ports are taken meanwhile, and PostgreSQL keeps its promises switched on', async () => {
  await using folder = await temporaryFolder();
  const start = () => startStack({ dataDir: folder.path, env: ownServers });
  const stack = await start();
  await writeMark(stack.kafkaBrokers, stack.databaseUrl);
  assert.deepEqual(
    await query(
      stack.databaseUrl,
      "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'max_connections') ORDER BY 1",
    ),
    [
      { name: 'fsync', setting: 'on' },
      { name: 'max_connections', setting: '200' },
    ],
  );
  await stack.stop();

  const squatter = createServer().listen(Number(stack.kafkaBrokers[0]?.split(':')[1]), '127.0.0.1');
  await once(squatter, 'listening');
  const moved = await start();
  try {
    assert.notDeepEqual(moved.kafkaBrokers, stack.kafkaBrokers);
    assert.deepEqual(await readMark(moved.kafkaBrokers, moved.databaseUrl), kept);
  } finally {
    await moved.stop();
    squatter.close();
  }
});

void test('each server can be crashed and started again on the same port and data', async () => {
  await using folder = await temporaryFolder();
  const stack = await startStack({ dataDir: folder.path, env: ownServers });
  try {
    await writeMark(stack.kafkaBrokers, stack.databaseUrl);
    const { kafka, postgres } = stack.embedded;
    await Promise.all([kafka?.kill(), postgres?.kill()]);
    await Promise.all([kafka?.start(), postgres?.start()]);
    assert.deepEqual(await readMark(stack.kafkaBrokers, stack.databaseUrl), kept);
  } finally {
    await stack.stop();
  }
});

void test('a second start on the folder of a live process is refused with its pid, and a dead one does not count', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'stack.lock'), JSON.stringify({ pid: process.pid, started: 'at another time' }));
  const env = { ...ownServers, KAFKA_BROKERS: 'kafka.invalid:9092' };
  const stack = await startStack({ dataDir: folder.path, env });
  try {
    const { code, output } = await runToEnd([process.execPath, holdStack, folder.path]);
    assert.equal(code, 1);
    assert.match(output, new RegExp(`is in use by process ${process.pid} \\(.*stack\\.test\\.ts.*BELFRY_DATA_DIR`));
  } finally {
    await stack.stop();
  }
});

void test('servers that the environment names are used, and only what is missing is started', async () => {
  await using folder = await temporaryFolder();
  const dataDir = folder.path;
  const all = await startStack({ dataDir, env: { KAFKA_BROKERS: 'one:1, two:2', DATABASE_URL: 'postgresql://three' } });
  assert.deepEqual(all.kafkaBrokers, ['one:1', 'two:2']);
  assert.equal(all.databaseUrl, 'postgresql://three');
  assert.deepEqual(all.embedded, {});

  const some = await startStack({ dataDir, env: { ...ownServers, KAFKA_BROKERS: 'one:1' } });
  assert.equal(some.embedded.kafka, undefined);
  assert.deepEqual(await query(some.databaseUrl, 'SELECT 1 AS one'), [{ one: 1 }]);
  await some.stop();
});
