import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { findJdk } from './jdk.ts';
import { defaultCacheDir, resolveRegistry } from './maven.ts';
import { choosePorts, isOpen } from './ports.ts';
import { createServer, stopLeftover, type Log, type Server } from './server.ts';

const MIN_JAVA = 21;
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;

export interface RegistryOptions {
  /** Where its data lives; kept between starts. */
  readonly dataDir: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly log?: Log;
  /** A free one unless given, or unless the given one is taken. */
  readonly port?: number;
}

export interface EmbeddedRegistry extends Server {
  /** The base of its Confluent-compatible API. */
  readonly url: string;
  readonly port: number;
}

/**
 * Starts an embedded schema registry and waits until it answers. Subjects without a rule of their own are FULL_TRANSITIVE.
 *
 * @returns undefined, with the reason in the log, where there is no Java 21: everything else works without it
 * @throws BelfryError `maven_missing`, `download_failed`, `server_failed`
 */
export async function startRegistry(options: RegistryOptions): Promise<EmbeddedRegistry | undefined> {
  const { dataDir, env = process.env, log = () => undefined } = options;
  const jdk = await findJdk(MIN_JAVA, env);
  if (!jdk) {
    log(
      `no schema registry: it needs Java ${MIN_JAVA} or newer (install one, or set JAVA_HOME, or SCHEMA_REGISTRY_URL)`,
    );
    return undefined;
  }
  const app = await resolveRegistry(defaultCacheDir(env), env, log);
  const identity = { name: 'Schema registry', dir: dataDir, stopSignal: 'SIGTERM', log } as const;
  await stopLeftover(identity);
  await mkdir(dataDir, { recursive: true });

  const [port] = (await choosePorts(1, options.port === undefined ? [] : [options.port])) as [number];
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const server = createServer({
    ...identity,
    command: [jdk.javaBin, ...javaFlags(dataDir, port), '-jar', join(app, 'quarkus-run.jar')],
    env,
    stopWithinMs: STOP_WITHIN_MS,
    readyWithinMs: READY_WITHIN_MS,
    isReady: () => answers(port, url),
  });
  await server.start();
  return Object.assign(server, { url, port });
}

function javaFlags(dataDir: string, port: number): string[] {
  const values = {
    'quarkus.http.host': '127.0.0.1',
    'quarkus.http.port': port,
    'quarkus.management.host-enabled': false,
    'quarkus.http.access-log.enabled': false,
    'apicurio.rules.global.compatibility': 'FULL_TRANSITIVE',
    // In a file, written at each commit: the ids in stored messages must still mean the same schemas after a restart or a crash.
    'apicurio.storage.kind': 'sql',
    'apicurio.storage.sql.kind': 'h2',
    'apicurio.datasource.url': `jdbc:h2:file:${join(dataDir, 'registry')};WRITE_DELAY=0`,
  };
  const flags = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
  return [...flags, ...Object.entries(values).map(([name, value]) => `-D${name}=${value}`)];
}

async function answers(port: number, url: string): Promise<boolean> {
  if (!(await isOpen(port))) return false;
  try {
    const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2_000) });
    return response.status === 200;
  } catch {
    return false; // not yet; the deadline of the start decides
  }
}
