/** `belfry dev`: servers, migration, timer and executor in one process, and a running commentary. */
import { messageOf } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Outcome } from '../../core/records.ts';
import type { Config } from '../../runtime/config.ts';
import type { DevFile } from '../dev-file.ts';
import type { CliDeps, DevStack, ExecutorOptions } from '../deps.ts';
import { facts } from '../output.ts';
import { outcomeLine, timeOfDay } from '../views.ts';
import { demoHandlers, scheduleDemo } from './demo.ts';

export type DevFlags = { demo?: true; handlers?: string };

const LOOPBACK = '127.0.0.1';
const TIMER_PORT = 9401;
const EXECUTOR_PORT = 9402;
const API_PORT = 8080;
const DEV_KEY = 'belfry dev';

type Ports = DevFile['ports'];

type Stop = () => Promise<void>;

/** Starts all of it, in order. The answer's `stop` ends all of it, in the opposite order: services first, then servers. */
export async function startDev(
  deps: CliDeps,
  flags: DevFlags,
  log: Log,
  fail: (error: Error) => void,
): Promise<{ stop: Stop }> {
  const stops: Stop[] = [];
  const stopAll = async (): Promise<void> => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    await startParts(deps, flags, log, fail, stops);
    const stop = (): Promise<void> => {
      deps.print('stopping: services first, then servers');
      return stopAll();
    };
    return { stop };
  } catch (error) {
    // What began is ended; why it had to be is the more telling error.
    await stopAll().catch((reason: unknown) => log.warn({ err: reason }, 'the stop was not clean'));
    throw error;
  }
}

type RunningPart = { port: number; stop(): Promise<void> };

async function startParts(
  deps: CliDeps,
  flags: DevFlags,
  log: Log,
  fail: (error: Error) => void,
  stops: Stop[],
): Promise<void> {
  const say = (line: string): void => deps.print(`${timeOfDay(deps.machineNow())}  ${line}`);
  const { dataDir } = deps.config();
  say('starting Kafka and PostgreSQL');
  const stack = await deps.startStack({ dataDir, env: deps.env, log: (line) => say(line) });
  stops.push(() => stack.stop());
  const own = deps.env.BELFRY_WEBHOOK_KEY ? {} : { webhookKey: await deps.keepWebhookKey(dataDir) };
  const read = deps.useServers({
    ...serversOf(stack),
    ...(own.webhookKey !== undefined && { BELFRY_WEBHOOK_KEY: own.webhookKey }),
  });
  // One process, for whoever sits at this machine: each service has a port, and these alone.
  const config = { ...read, opsPort: undefined, opsHost: read.opsHost ?? LOOPBACK, host: read.host ?? LOOPBACK };
  await deps.migrate(config, log, {});

  const apiKey = config.auth === 'off' ? null : await devKey(deps);
  const [timerPort, executorPort] = [await deps.freePort(TIMER_PORT), await deps.freePort(EXECUTOR_PORT)];
  const apiPort = await deps.freePort(API_PORT);
  const begin = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const service = await starting;
    stops.push(() => service.stop());
    return service;
  };
  const started = await Promise.allSettled([
    begin(deps.startTimer({ ...config, port: timerPort }, log, fail)),
    begin(deps.startExecutor({ ...config, port: executorPort }, log, fail, handlersOf(flags, say))),
    begin(deps.startApi({ ...config, port: apiPort }, log, fail)),
  ]);
  const [timer, executor, api] = started.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }) as [RunningPart, RunningPart, RunningPart];
  const ports = { timer: timer.port, executor: executor.port, api: api.port };
  stops.push(await writeFile(deps, config, { ports, apiKey, ...own }));

  deps.print(welcome(stack, config, ports, apiKey));
  const client = deps.client();
  const hint = hintOnce(deps);
  stops.push(() => deps.disconnect());
  await client.onOutcome((outcome) => {
    deps.print(outcomeLine(outcome));
    hint(outcome);
  });
  // The commentary goes on while the demo's commands wait for their answers.
  if (flags.demo)
    scheduleDemo(client, say).catch((error: unknown) => deps.warn(`the demo's jobs: ${messageOf(error)}`));
}

function serversOf({ kafkaBrokers, databaseUrl, registryUrl }: DevStack): Record<string, string> {
  const servers = { KAFKA_BROKERS: kafkaBrokers.join(','), DATABASE_URL: databaseUrl };
  return registryUrl === undefined ? servers : { ...servers, SCHEMA_REGISTRY_URL: registryUrl };
}

function handlersOf({ demo, handlers }: DevFlags, say: (line: string) => void): ExecutorOptions {
  if (handlers !== undefined) return { handlersFile: handlers };
  return demo ? { handlers: demoHandlers(say) } : {};
}

/** A key for whoever runs this `belfry dev`: those of former ones end. */
async function devKey(deps: CliDeps): Promise<string> {
  const keys = deps.keys();
  for (const { name, prefix, revokedAt } of await keys.list('default')) {
    if (name === DEV_KEY && revokedAt === null) await keys.revoke(prefix);
  }
  return (await keys.create({ tenant: 'default', name: DEV_KEY, scopes: ['admin'], ttlMs: null })).text;
}

type Own = Pick<DevFile, 'ports' | 'apiKey' | 'webhookKey'>;

function writeFile(deps: CliDeps, config: Config, own: Own): Promise<Stop> {
  const { kafka, databaseUrl, registry, topicPrefix, databaseSchema, dataDir } = config;
  return deps.writeDevFile(dataDir, {
    pid: process.pid,
    brokers: kafka.brokers.join(','),
    databaseUrl,
    ...(registry && { registryUrl: registry.url }),
    ...{ topicPrefix, databaseSchema, ...own },
  });
}

function welcome(stack: DevStack, config: Config, ports: Ports, apiKey: string | null): string {
  const embedded = (server: unknown): string => (server === undefined ? '' : '  (embedded)');
  const { kafka, postgres } = stack.embedded;
  const pages = (port: number): string => `http://127.0.0.1:${port}/metrics`;
  const urls = facts([
    ['Kafka', `${config.kafka.brokers.join(',')}${embedded(kafka)}`],
    [
      'PostgreSQL',
      postgres === undefined ? withoutPassword(config.databaseUrl) : `${config.databaseUrl}${embedded(postgres)}`,
    ],
    ['timer', pages(ports.timer)],
    ['executor', pages(ports.executor)],
    ['API', `http://127.0.0.1:${ports.api}/docs`],
    ['API key', apiKey],
  ]);
  return `\n${urls}\n\nBelfry is up. In another terminal, in this folder: belfry jobs list. Ctrl-C stops everything. Times are UTC.\n`;
}

function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^:@/]+):[^@/]*@/, '$1@');
}

/** The first dead run is worth a word to whoever has never seen one. */
function hintOnce(deps: CliDeps): (outcome: Outcome) => void {
  let said = false;
  return ({ status, runId }) => {
    if (said || status !== 'FAILED') return;
    said = true;
    deps.print(
      `              it gave up: belfry dlq show ${runId} tells why, belfry dlq replay ${runId} runs it again`,
    );
  };
}
