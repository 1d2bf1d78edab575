/** What the commands need: `main.ts` gives them the real things, tests give them fakes. */
import type { Command } from 'commander';
import type { Actor } from '../core/audit.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Inspect } from '../core/ports/inspect.ts';
import type { Log } from '../core/ports/log.ts';
import type { TopicAdmin } from '../core/ports/topic-admin.ts';
import type { Handlers } from '../executor/handlers/define.ts';
import type { MigrateOptions, MigrationReport } from '../migrate/migrate.ts';
import type { Config } from '../runtime/config.ts';
import type { Backend } from './backend.ts';
import type { DevFile } from './dev-file.ts';
import type { ExitCode } from './exit.ts';

/** `isWatched`: a process of its own, which is to end when its event loop is stuck. */
export type ServiceOptions = { isWatched?: boolean };
export type ServiceStart = (
  config: Config,
  log: Log,
  fail: (error: Error) => void,
  options?: ServiceOptions,
) => Promise<{ port: number; stop(): Promise<void> }>;

export type ExecutorOptions = ServiceOptions & { handlersFile?: string; handlers?: Handlers; queue?: string };

/** Servers, as infra/embedded/stack.ts starts them. */
export type DevStack = {
  kafkaBrokers: string[];
  databaseUrl: string;
  registryUrl?: string;
  embedded: { kafka?: unknown; postgres?: unknown };
  stop(): Promise<void>;
};

export type CliDeps = Backend & {
  /** Of this package. */
  version: string;
  /** One line (or several) on standard output. */
  print(text: string): void;
  /** One line (or several) on standard error. */
  warn(text: string): void;
  clock: Clock;
  /** The machine's own time, ms, for comparing it with the database's. */
  machineNow(): number;
  ids: Ids;
  /** Who sits here, for the audit log. */
  actor: Actor;
  /** `-` is standard input. */
  readFile(path: string): Promise<string>;
  /** The environment as it is, without what `dev.json` adds. */
  env: Readonly<Record<string, string | undefined>>;
  /** Of the environment and `dev.json`; the former wins. @throws BelfryError `config_invalid` */
  config(): Config;
  /** Aborted by Ctrl-C and SIGTERM from the first call on; before, they end the process. */
  interrupted(): AbortSignal;

  /** From here on the API at this address is the backend. @throws BelfryError `config_invalid` */
  useApi(url: string): void;
  /** The environment with these servers; what is connected from here on, is connected to them. */
  useServers(servers: Readonly<Record<string, string>>): Config;

  // Connected when first asked for, as the backend is; whoever runs the program disconnects at its end.
  /** The database itself. */
  store(): Inspect;
  broker(): Broker;
  topicAdmin(): TopicAdmin;
  /** Closes what is connected. */
  disconnect(): Promise<void>;

  migrate(config: Config, log: Log, options: MigrateOptions): Promise<MigrationReport>;
  startTimer: ServiceStart;
  startApi: ServiceStart;
  startExecutor(
    config: Config,
    log: Log,
    fail: (error: Error) => void,
    options: ExecutorOptions,
  ): ReturnType<ServiceStart>;
  startStack(options: { dataDir: string; env: CliDeps['env']; log: (line: string) => void }): Promise<DevStack>;
  /** The port itself while it is free, or another one. */
  freePort(wanted: number): Promise<number>;
  makeLog(level: string, service: string): Log;
  /** Runs until a signal comes; answers the exit code. */
  runUntilStopped(
    log: Log,
    start: (fail: (error: Error) => void) => Promise<{ stop(): Promise<void> }>,
  ): Promise<number>;
  /** Makes the file with the key for secrets of webhooks, where there is none; answers its path. */
  keepWebhookKey(dataDir: string): Promise<string>;
  writeDevFile(dataDir: string, file: DevFile): Promise<() => Promise<void>>;
  /** Version of the Java that `belfry dev` would use. */
  javaVersion(): Promise<number | undefined>;
  shippedSchemaVersion(): Promise<number>;
};

/** Where commands are hung up, and how they end. */
export type Cli = {
  program: Command;
  deps: CliDeps;
  /** Makes a commander action of a function that answers the exit code. */
  action: <Args extends unknown[]>(run: (...args: Args) => Promise<ExitCode>) => (...args: Args) => Promise<void>;
};
