import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { lockDataDir } from './data-dir-lock.ts';
import { writeAtomically } from './files.ts';
import { startKafka, type EmbeddedKafka } from './kafka.ts';
import { startPostgres, type EmbeddedPostgres } from './postgres.ts';
import { startRegistry, type EmbeddedRegistry } from './registry.ts';
import type { Log } from './server.ts';

export interface StackOptions {
  /** Where the data of the embedded servers lives. One live stack per folder. */
  readonly dataDir: string;
  /** KAFKA_BROKERS, DATABASE_URL and SCHEMA_REGISTRY_URL name servers to use in place of embedded ones. */
  readonly env?: NodeJS.ProcessEnv;
  /** Start a schema registry, too, where there is the Java for it. */
  readonly registry?: boolean;
  readonly log?: Log;
}

/** The servers that Belfry needs: what to connect to, and those that this process runs. */
export interface Stack {
  readonly kafkaBrokers: string[];
  readonly databaseUrl: string;
  readonly registryUrl?: string;
  readonly embedded: {
    readonly kafka?: EmbeddedKafka;
    readonly postgres?: EmbeddedPostgres;
    readonly registry?: EmbeddedRegistry;
  };
  /** Stops the servers that this process runs; call it after everything that uses them has stopped. */
  stop(): Promise<void>;
}

/**
 * Starts the servers that the environment does not name, all at once, on the data and, where they are still free, on the ports
 * of the last start. If one fails, the others are stopped.
 *
 * @throws BelfryError `data_dir_in_use` where a live process has the folder; those of the single servers
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { env = process.env, log = () => undefined } = options;
  const dataDir = resolve(options.dataDir);
  const { KAFKA_BROKERS: kafkaBrokers, DATABASE_URL: databaseUrl, SCHEMA_REGISTRY_URL: registryUrl } = env;
  const wantsRegistry = options.registry === true && !registryUrl;
  if (kafkaBrokers && databaseUrl && !wantsRegistry) return given(kafkaBrokers, databaseUrl, registryUrl);

  await closeFolder(dataDir, ['kafka', ...(wantsRegistry ? ['registry'] : [])]);
  const unlock = await lockDataDir(dataDir);
  const portsFile = join(dataDir, 'stack.json');
  const last = await readPorts(portsFile);
  const dir = (name: string) => join(dataDir, name);

  const nothing = Promise.resolve(undefined);
  const starts = [
    kafkaBrokers ? nothing : startKafka({ dataDir: dir('kafka'), env, log, ports: last.kafka ?? [] }),
    databaseUrl ? nothing : startPostgres({ dataDir: dir('postgres'), log, ...port(last.postgres) }),
    wantsRegistry ? startRegistry({ dataDir: dir('registry'), env, log, ...port(last.registry) }) : nothing,
  ] as const;
  const stop = async () => {
    const started = await Promise.allSettled(starts);
    await Promise.all(started.map(async (start) => start.status === 'fulfilled' && start.value?.stop()));
    await unlock();
  };

  try {
    const [kafka, postgres, registry] = await Promise.all(starts);
    const ports: Ports = {
      kafka: kafka?.ports ?? last.kafka,
      postgres: postgres?.port ?? last.postgres,
      registry: registry?.port ?? last.registry,
    };
    await writeAtomically(portsFile, JSON.stringify(ports, undefined, 2));
    return {
      ...given(
        kafkaBrokers || (kafka?.brokers.join(',') ?? ''),
        databaseUrl || (postgres?.url ?? ''),
        registryUrl || registry?.url,
      ),
      embedded: { ...(kafka && { kafka }), ...(postgres && { postgres }), ...(registry && { registry }) },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Data of servers without passwords of their own: nobody else's. For root, PostgreSQL runs as another account, which must pass. */
async function closeFolder(dataDir: string, parts: readonly string[]): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) process.umask(0o077);
  await mkdir(dataDir, { recursive: true });
  await chmod(dataDir, isRoot ? 0o711 : 0o700);
  for (const name of parts) {
    await mkdir(join(dataDir, name), { recursive: true });
    await chmod(join(dataDir, name), 0o700);
  }
}

function given(kafkaBrokers: string, databaseUrl: string, registryUrl: string | undefined): Stack {
  return {
    kafkaBrokers: kafkaBrokers.split(',').map((broker) => broker.trim()),
    databaseUrl,
    ...(registryUrl ? { registryUrl } : {}),
    embedded: {},
    stop: () => Promise.resolve(),
  };
}

interface Ports {
  readonly kafka?: readonly number[] | undefined;
  readonly postgres?: number | undefined;
  readonly registry?: number | undefined;
}

async function readPorts(file: string): Promise<Ports> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Ports;
  } catch {
    return {}; // the first start; a damaged file costs no more than new ports
  }
}

function port(number: number | undefined): { port?: number } {
  return number === undefined ? {} : { port: number };
}
