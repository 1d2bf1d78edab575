import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { BelfryError } from '../../services/core/errors.ts';
import { infraFile } from './files.ts';
import { requireJdk } from './jdk.ts';
import type { Log } from './server.ts';

const run = promisify(execFile);

const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;

/** Where downloads are kept: BELFRY_CACHE_DIR, or `belfry` in the user's cache folder. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  return env['BELFRY_CACHE_DIR'] || join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'belfry');
}

/** The folder that holds Kafka's jars; downloaded by Maven at the first call, from the cache afterwards. */
export function resolveKafkaJars(cacheDir: string, env: NodeJS.ProcessEnv, log: Log): Promise<string> {
  return resolve(
    { name: 'kafka-4.1.1', pom: infraFile('kafka', 'pom.xml'), goal: 'copy-dependencies' },
    cacheDir,
    env,
    log,
  );
}

/** The folder that holds the schema registry's quarkus-run.jar; downloaded by Maven at the first call, from the cache afterwards. */
export function resolveRegistry(cacheDir: string, env: NodeJS.ProcessEnv, log: Log): Promise<string> {
  return resolve({ name: 'registry-3.3.3', pom: infraFile('registry', 'pom.xml'), goal: 'unpack' }, cacheDir, env, log);
}

interface Download {
  readonly name: string;
  readonly pom: string;
  readonly goal: 'copy-dependencies' | 'unpack';
}

/**
 * A folder of the cache is complete or not there: Maven fills a folder of our own, which then gets its final name. Of two
 * first starts at once both download and one rename wins; the other uses the winner's folder.
 */
async function resolve(download: Download, cacheDir: string, env: NodeJS.ProcessEnv, log: Log): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(download.pom))
    .digest('hex');
  const target = join(cacheDir, `${download.name}-${hash.slice(0, 12)}`);
  if (existsSync(target)) return target;

  log(`downloading ${download.name} with Maven into ${target} (only this time)`);
  await mkdir(cacheDir, { recursive: true });
  const unfinished = await mkdtemp(`${target}.unfinished-`);
  try {
    await callMaven(download, unfinished, env);
    await rename(unfinished, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return target;
}

async function callMaven(
  { name, pom, goal }: Download,
  outputDirectory: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const jdk = await requireJdk(17, 'Maven, which downloads the embedded servers,', env);
  const args = ['-q', '-B', '-f', pom, `dependency:${goal}`, `-DoutputDirectory=${outputDirectory}`];
  try {
    await run('mvn', args, {
      env: { ...env, JAVA_HOME: dirname(dirname(jdk.javaBin)) },
      timeout: DOWNLOAD_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new BelfryError(
        'maven_missing',
        `${name} is not in the cache yet, and Apache Maven, which downloads it once, is not on PATH. ` +
          'Install Maven (the command `mvn`), or set KAFKA_BROKERS and DATABASE_URL to servers that run already.',
        { cause },
      );
    }
    const output = (cause as { stdout?: string }).stdout ?? '';
    const told = output.trim().split('\n').slice(0, 15).join('\n');
    throw new BelfryError('download_failed', `Maven could not download ${name}:\n${told}`, { cause, retryable: true });
  }
}
