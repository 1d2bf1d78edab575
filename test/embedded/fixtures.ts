import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';

/** Our environment without the servers of the shared test stack: these tests start their own. */
export const ownServers: NodeJS.ProcessEnv = {
  ...process.env,
  KAFKA_BROKERS: undefined,
  DATABASE_URL: undefined,
  SCHEMA_REGISTRY_URL: undefined,
};

/** A folder that is removed at the end of the `await using` block; servers that are just being killed may still write to it. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'belfry-test-'));
  await chmod(path, 0o711);
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }),
  };
}

/** Runs a script of this folder and resolves to the first line that it prints, as JSON. */
export async function startScript<T>(script: string, ...args: string[]): Promise<{ child: ChildProcess; first: T }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    env: ownServers,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!child.stdout) throw new Error('no stdout');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, first: JSON.parse(line) as T };
}

/** Runs a program to its end. */
export async function runToEnd(command: readonly [string, ...string[]], env: NodeJS.ProcessEnv = ownServers) {
  const [program, ...args] = command;
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

/** Waits for a condition; false when it does not come true in time. */
export async function becomesTrue(condition: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}

/** Leaves a mark in both servers. */
export async function writeMark(brokers: string[], databaseUrl: string): Promise<void> {
  const client = kafka(brokers);
  const admin = client.admin();
  const producer = client.producer();
  await Promise.all([admin.connect(), producer.connect()]);
  await admin.createTopics({ topics: [{ topic: 'mark', numPartitions: 1 }], waitForLeaders: false });
  await producer.send({ topic: 'mark', acks: -1, messages: [{ value: 'kept' }] });
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  await query(databaseUrl, "CREATE TABLE mark AS SELECT 'kept' AS value");
}

/** How many messages and what row the mark of writeMark consists of by now. */
export async function readMark(brokers: string[], databaseUrl: string): Promise<{ messages: string; row: unknown }> {
  const admin = kafka(brokers).admin();
  await admin.connect();
  const [offsets] = await admin.fetchTopicOffsets('mark');
  await admin.disconnect();
  const [row] = await query(databaseUrl, 'SELECT value FROM mark');
  return { messages: offsets?.high ?? 'none', row };
}

function kafka(brokers: string[]): Kafka {
  return new Kafka({ clientId: 'belfry-test', brokers, logLevel: logLevel.NOTHING });
}

export async function query(connectionString: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows as unknown[];
}
