import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CliDeps } from '../../../services/cli/deps.ts';
import {
  keepWebhookKey,
  readDevFile,
  withDevFile,
  writeDevFile,
  type DevFile,
} from '../../../services/cli/dev-file.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { readConfig } from '../../../services/runtime/config.ts';
import { FakeCli, outcome } from './support.ts';

const FILE: DevFile = {
  ...{ pid: process.pid, brokers: 'localhost:1', databaseUrl: 'postgres://dev', topicPrefix: 'p-' },
  ...{ databaseSchema: 'belfry', ports: { timer: 9401, executor: 9402, api: 8080 }, apiKey: 'bfy_k' },
};

void test('a second terminal finds the servers of belfry dev, as long as that lives', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-dev-'));
  try {
    assert.equal(readDevFile(folder), undefined);
    const remove = await writeDevFile(folder, FILE);
    assert.deepEqual(readDevFile(folder), FILE);
    assert.equal(
      readDevFile(folder, () => false),
      undefined,
    );
    await remove();
    assert.equal(readDevFile(folder), undefined);
    await writeFile(join(folder, 'dev.json'), '{"pid":');
    assert.equal(readDevFile(folder), undefined);
  } finally {
    await rm(folder, { recursive: true });
  }
});

void test('the environment wins over the file, and never mixes with it', () => {
  const found = withDevFile({ BELFRY_TOPIC_PREFIX: 'mine-', DATABASE_URL: '' }, FILE);
  assert.equal(found.KAFKA_BROKERS, 'localhost:1');
  assert.equal(found.DATABASE_URL, 'postgres://dev');
  assert.equal(found.BELFRY_TOPIC_PREFIX, 'mine-');
  const other = { KAFKA_BROKERS: 'prod:9092' };
  assert.deepEqual(withDevFile(other, FILE), other);
  assert.deepEqual(withDevFile({}, undefined), {});
});

type DevCli = { cli: FakeCli; notes: string[]; up: Promise<void>; end: () => void };

/** The parts of `belfry dev`, each leaving a note of its start and its end. */
function devCli(overrides: Partial<CliDeps> = {}): DevCli {
  const notes: string[] = [];
  const part =
    (name: string, port = 0) =>
    async () => {
      notes.push(`+${name}`);
      return { port, stop: async () => void notes.push(`-${name}`) };
    };
  let isUp: () => void = () => undefined;
  const up = new Promise<void>((resolve) => (isUp = resolve));
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const stack = { kafkaBrokers: ['localhost:1'], databaseUrl: 'postgres://me:secret@db/x', embedded: { kafka: {} } };
  const cli = new FakeCli(
    {},
    {
      startStack: async () => ({ ...stack, ...(await part('servers')()) }),
      migrate: async () => (notes.push('migrated'), {}) as never,
      startTimer: part('timer', 9401),
      startExecutor: part('executor', 9402),
      startApi: part('api', 8080),
      keepWebhookKey: async () => Buffer.alloc(32).toString('base64'),
      writeDevFile: async (_folder, file) => {
        notes.push(`+file ${file.brokers}`);
        return async () => void notes.push('-file');
      },
      disconnect: async () => void notes.push('-client'),
      runUntilStopped: async (_log, start) => {
        const running = await start((error) => assert.fail(error));
        isUp();
        await ended;
        await running.stop();
        return 0;
      },
      ...overrides,
    },
  );
  return { cli, notes, up, end: () => end() };
}

void test('belfry dev makes the key for secrets of webhooks once, readable for its user alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-dev-'));
  try {
    const path = await keepWebhookKey(join(folder, 'data'), () => Buffer.alloc(32, 1));
    assert.equal(await keepWebhookKey(join(folder, 'data'), () => Buffer.alloc(32, 2)), path);
    assert.deepEqual(readConfig({ BELFRY_WEBHOOK_KEY: path }).webhookKey, Buffer.alloc(32, 1));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  } finally {
    await rm(folder, { recursive: true });
  }
});

void test('belfry dev starts servers, then services, and stops them in the opposite order', async () => {
  const { cli, notes, up, end } = devCli();
  const code = cli.run('dev');
  await up;
  assert.deepEqual(notes, ['+servers', 'migrated', '+timer', '+executor', '+api', '+file localhost:1']);
  end();
  assert.equal(await code, 0);
  assert.deepEqual(notes.slice(6), ['-client', '-file', '-api', '-executor', '-timer', '-servers']);
});

void test('belfry dev says where everything is, without the password of a database of your own', async () => {
  const { cli, up, end } = devCli();
  const code = cli.run('dev');
  await up;
  assert.match(cli.stdout, /Kafka +localhost:1 {2}\(embedded\)/);
  assert.match(cli.stdout, /PostgreSQL +postgres:\/\/me@db\/x\n/);
  assert.match(cli.stdout, /timer +http:\/\/127\.0\.0\.1:9401\/metrics/);
  end();
  await code;
});

void test('belfry dev --demo schedules its jobs through commands and tells what comes of them', async () => {
  const { cli, up, end } = devCli();
  const code = cli.run('dev', '--demo');
  await up;
  await cli.clock.advance(0);
  assert.deepEqual(
    cli.client.sent.map(({ command, jobId }) => `${command} ${jobId}`),
    ['schedule greeting', 'schedule heartbeat', 'schedule flaky'],
  );
  assert.match(cli.stdout, /scheduled greeting: once, in 3 s/);
  cli.client.tell(outcome({ status: 'FAILED', jobId: 'flaky', error: { code: 'handler_error', message: 'no' } }));
  assert.match(cli.stdout, /FAILED +flaky .*handler_error: no\n.*belfry dlq replay/);
  end();
  assert.equal(await code, 0);
});

void test('when a part does not start, those before it are stopped and the reason is told', async () => {
  const startExecutor = async (): Promise<never> => {
    throw new BelfryError('handlers_not_found', 'There is no file handlers.ts.');
  };
  const { cli, notes } = devCli({ startExecutor });
  assert.equal(await cli.run('dev', '--handlers', 'handlers.ts'), 1);
  assert.equal(cli.stderr, 'error: There is no file handlers.ts.');
  assert.deepEqual(notes.slice(-3), ['-api', '-timer', '-servers']);
});

void test('belfry dev takes either the demo or handlers', async () => {
  const { cli } = devCli();
  assert.equal(await cli.run('dev', '--demo', '--handlers', 'h.ts'), 2);
});
