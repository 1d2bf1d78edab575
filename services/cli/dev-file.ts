/**
 * `$BELFRY_DATA_DIR/dev.json`: how commands in a second terminal find the servers of `belfry dev`.
 *
 * It is believed only while the process that wrote it lives, so one that a crash left behind misleads nobody.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

export type DevFile = {
  pid: number;
  brokers: string;
  databaseUrl: string;
  registryUrl?: string;
  topicPrefix: string;
  databaseSchema: string;
  ports: { timer: number; executor: number; api: number };
  /** Path of the key that seals the secrets of webhooks; absent: the environment has one. */
  webhookKey?: string;
  /** Of the HTTP API, as long as this `belfry dev` runs; null: none is needed. */
  apiKey: string | null;
};

type Env = Readonly<Record<string, string | undefined>>;

const fileIn = (dataDir: string): string => join(dataDir, 'dev.json');

/** Undefined when no `belfry dev` runs on this folder. */
export function readDevFile(dataDir: string, isAlive: (pid: number) => boolean = processLives): DevFile | undefined {
  try {
    const file = JSON.parse(readFileSync(fileIn(dataDir), 'utf8')) as DevFile;
    return isAlive(file.pid) ? file : undefined;
  } catch {
    return undefined; // there is none, or it is damaged: then the environment must say where the servers are
  }
}

/** Resolves to a function that removes the file. */
export async function writeDevFile(dataDir: string, file: DevFile): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true });
  const path = fileIn(dataDir);
  // Whole or not at all: another terminal may be reading.
  await writeFile(`${path}.new`, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return () => rm(path, { force: true });
}

/**
 * The file with the key that seals the secrets of webhooks; made when it is not there, and kept with the data that it seals.
 * @returns its path
 */
export async function keepWebhookKey(dataDir: string, make: () => Buffer): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const path = resolve(dataDir, 'webhook.key');
  try {
    await writeFile(path, `${make().toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return path;
}

/**
 * The environment, completed by what `belfry dev` wrote. An environment that names other servers than the file is left alone:
 * the Kafka of one deployment never goes with the database of another.
 */
export function withDevFile(env: Env, file: DevFile | undefined): Env {
  if (file === undefined) return env;
  const found: Record<string, string | undefined> = {
    KAFKA_BROKERS: file.brokers,
    DATABASE_URL: file.databaseUrl,
    SCHEMA_REGISTRY_URL: file.registryUrl,
    BELFRY_TOPIC_PREFIX: file.topicPrefix,
    BELFRY_DB_SCHEMA: file.databaseSchema,
    BELFRY_WEBHOOK_KEY: file.webhookKey,
  };
  const differs = (name: string): boolean => Boolean(env[name]) && env[name] !== found[name];
  if (differs('KAFKA_BROKERS') || differs('DATABASE_URL')) return env;
  const missing = Object.entries(found).filter(([name]) => !env[name]);
  return { ...env, ...Object.fromEntries(missing) };
}

function processLives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // another user's, but alive
  }
}
