import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { Kafka, logLevel } from '../../services/adapters/kafka/kafkajs.ts';

import { BelfryError } from '../../services/core/errors.ts';
import { infraFile, writeAtomically } from './files.ts';
import { requireJdk } from './jdk.ts';
import { defaultCacheDir, resolveKafkaJars } from './maven.ts';
import { choosePorts, isOpen } from './ports.ts';
import { createServer, stopLeftover, type Log, type Server } from './server.ts';

const run = promisify(execFile);

const READY_WITHIN_MS = 60_000;

/**
 * In combined mode a quorum that loses its majority cannot grant the last node its controlled shutdown, which then waits for
 * minutes; a killed broker loses nothing that it had acknowledged to its own file system.
 */
const STOP_WITHIN_MS = 10_000;
const CLUSTER_STOP_WITHIN_MS = 3_000;

export interface KafkaOptions {
  /** Where its data lives; kept between starts. */
  readonly dataDir: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly log?: Log;
  /** How many nodes, each broker and controller in one. 1 unless given. */
  readonly brokers?: number;
  /** Two per node: its broker's and its controller's. Free ones unless given; they may differ from the last start's. */
  readonly ports?: readonly number[];
  /**
   * Listeners beside the usual one, by name (capital letters and digits): for each node the port that clients who come by this
   * listener are told to use, such as that of a proxy in front of it.
   */
  readonly doors?: Readonly<Record<string, readonly number[]>>;
  /** A broker that works for minutes repays the optimising compiler; for tests and a first look it starts sooner without. */
  readonly optimise?: boolean;
  /** Added to server.properties. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedKafka {
  /** `host:port` of every broker. */
  readonly brokers: string[];
  /** As in the options, to be asked for again at the next start. */
  readonly ports: readonly number[];
  /** By name of the door, the port on which each node listens. */
  readonly doors: ReadonlyMap<string, readonly number[]>;
  /** Each node by itself, in the order of `brokers`. */
  readonly nodes: readonly Server[];
  /** The pids of the nodes that run. */
  readonly pids: number[];
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

interface Node {
  readonly id: number;
  readonly dir: string;
  readonly brokerPort: number;
  readonly controllerPort: number;
  readonly doors: readonly Door[];
  readonly settings: Readonly<Record<string, string>>;
}

interface Door {
  readonly name: string;
  readonly port: number;
  readonly advertisedPort: number;
}

/**
 * Starts an embedded Kafka, formatting its data folder at the first start, and waits until every broker serves.
 *
 * @throws BelfryError `jdk_missing`, `maven_missing`, `download_failed`, `server_failed`
 */
export async function startKafka(options: KafkaOptions): Promise<EmbeddedKafka> {
  const { dataDir, env = process.env, log = () => undefined, brokers: count = 1, settings = {} } = options;
  const jdk = await requireJdk(17, 'The embedded Kafka', env);
  const jars = await resolveKafkaJars(defaultCacheDir(env), env, log);
  const java = (heap: string, optimise = false) =>
    [jdk.javaBin, ...javaFlags(heap, optimise), '-cp', join(jars, '*')] as [string, ...string[]];

  const dirs = Array.from({ length: count }, (_, index) => join(dataDir, `node-${index + 1}`));
  await Promise.all(dirs.map((dir) => stopLeftover({ name: 'Kafka', dir, stopSignal: 'SIGTERM', log })));
  const doorEntries = Object.entries(options.doors ?? {});
  const allPorts = await choosePorts((2 + doorEntries.length) * count, options.ports);
  const ports = allPorts.slice(0, 2 * count);
  const doors = new Map(
    doorEntries.map(([name], index) => [name, allPorts.slice((2 + index) * count, (3 + index) * count)]),
  );
  const nodes = dirs.map((dir, index): Node => ({
    id: index + 1,
    dir,
    brokerPort: ports[2 * index] as number,
    controllerPort: ports[2 * index + 1] as number,
    doors: doorEntries.map(([name, advertised]) => ({
      name,
      port: doors.get(name)?.[index] as number,
      advertisedPort: advertised[index] as number,
    })),
    settings,
  }));
  await mkdir(dataDir, { recursive: true });
  const clusterId = await clusterIdOf(dataDir);
  await Promise.all(nodes.map((node) => format(node, nodes, clusterId, java('128m'))));

  const servers = nodes.map((node) =>
    createServer({
      name: count === 1 ? 'Kafka' : `Kafka node ${node.id}`,
      dir: node.dir,
      command: [...java('512m', options.optimise), 'kafka.Kafka', join(node.dir, 'server.properties')],
      env,
      stopSignal: 'SIGTERM',
      stopWithinMs: count === 1 ? STOP_WITHIN_MS : CLUSTER_STOP_WITHIN_MS,
      readyWithinMs: READY_WITHIN_MS,
      isReady: () => serves(node),
      log,
    }),
  );
  const all = async (act: (server: Server) => Promise<void>) => void (await Promise.all(servers.map(act)));
  const kafka: EmbeddedKafka = {
    brokers: nodes.map((node) => `127.0.0.1:${node.brokerPort}`),
    ports,
    doors,
    nodes: servers,
    get pids() {
      return servers.flatMap((server) => server.pid ?? []);
    },
    start: () => all((server) => server.start()),
    stop: () => all((server) => server.stop()),
    kill: () => all((server) => server.kill()),
    async restart() {
      await kafka.stop();
      await kafka.start();
    },
  };
  try {
    await kafka.start();
  } catch (error) {
    await kafka.kill();
    throw error;
  }
  return kafka;
}

/** The C1 compiler alone starts half a second faster, and the serial collector needs no threads of its own. */
function javaFlags(heap: string, optimise: boolean): string[] {
  const logging = pathToFileURL(infraFile('kafka', 'log4j2.properties')).href;
  return [
    `-Xmx${heap}`,
    '-XX:+UseSerialGC',
    ...(optimise ? [] : ['-XX:TieredStopAtLevel=1']),
    '-XX:+ExitOnOutOfMemoryError',
    `-Dlog4j2.configurationFile=${logging}`,
  ];
}

/** 16 bytes in Kafka's URL-safe base 64; the cleared bit keeps a `-`, which the tool would take for an option, from the front. */
async function clusterIdOf(dataDir: string): Promise<string> {
  const file = join(dataDir, 'cluster-id');
  if (!existsSync(file)) {
    const bytes = randomBytes(16);
    bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0);
    await writeAtomically(file, bytes.toString('base64url'));
  }
  return readFile(file, 'utf8');
}

/**
 * Writes the node's configuration, anew at each start since ports may change, and formats its storage once. The folder gets
 * its name when it is complete, so that a format cut short is made again.
 */
async function format(
  node: Node,
  nodes: readonly Node[],
  clusterId: string,
  java: [string, ...string[]],
): Promise<void> {
  await mkdir(node.dir, { recursive: true });
  const storage = join(node.dir, 'data');
  await writeAtomically(join(node.dir, 'server.properties'), await properties(node, nodes, storage));
  if (existsSync(storage)) return;

  const unfinished = join(node.dir, 'data.unfinished');
  const config = join(node.dir, 'format.properties');
  await rm(unfinished, { recursive: true, force: true });
  await writeAtomically(config, await properties(node, nodes, unfinished));
  const [command, ...flags] = java;
  try {
    await run(command, [...flags, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config]);
  } catch (cause) {
    throw new BelfryError('server_failed', `Kafka's storage could not be formatted in ${node.dir}: ${String(cause)}`, {
      cause,
    });
  }
  await rename(unfinished, storage);
}

async function properties(node: Node, nodes: readonly Node[], storage: string): Promise<string> {
  const replicas = Math.min(3, nodes.length);
  const inSync = Math.max(1, replicas - 1);
  const ofThisNode = {
    'node.id': node.id,
    // Static voters: a quorum that is stored with its addresses would not survive a change of ports.
    'controller.quorum.voters': nodes.map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`).join(','),
    ...listenersOf(node),
    'log.dirs': storage,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    ...node.settings,
  };
  const lines = Object.entries(ofThisNode).map(([key, value]) => `${key}=${value}`);
  return `${await readFile(infraFile('kafka', 'server.properties'), 'utf8')}\n${lines.join('\n')}\n`;
}

function listenersOf({ brokerPort, controllerPort, doors }: Node): Record<string, string> {
  const usual = { name: 'PLAINTEXT', port: brokerPort, advertisedPort: brokerPort };
  const controller = { name: 'CONTROLLER', port: controllerPort };
  const listed = (all: readonly { name: string; port: number }[]) =>
    all.map(({ name, port }) => `${name}://127.0.0.1:${port}`).join(',');
  return {
    listeners: listed([usual, controller, ...doors]),
    'advertised.listeners': listed([usual, ...doors].map(({ name, advertisedPort: port }) => ({ name, port }))),
    'listener.security.protocol.map': [usual, controller, ...doors].map(({ name }) => `${name}:PLAINTEXT`).join(','),
  };
}

/** True when this broker is a registered, unfenced member of the cluster; it answers requests a little earlier. */
async function serves(node: Node): Promise<boolean> {
  if (!(await isOpen(node.brokerPort))) return false;
  const address = { host: '127.0.0.1', port: node.brokerPort };
  const client = new Kafka({
    clientId: 'belfry-start',
    brokers: [`${address.host}:${address.port}`],
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    return brokers.some((broker) => broker.port === address.port);
  } catch {
    return false; // not yet; the deadline of the start decides
  } finally {
    await admin.disconnect();
  }
}
