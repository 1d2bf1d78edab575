import { QUEUE } from '../../core/spec/names.ts';
import { requireServers } from '../../runtime/config.ts';
import type { Cli, CliDeps, ServiceStart } from '../deps.ts';
import type { ExitCode } from '../exit.ts';
import { group, named } from '../options.ts';

type ExecutorFlags = { handlers?: string; queue?: string };

export function addServices({ program, deps, action }: Cli): void {
  group(program, 'timer', 'Run a timer service, until SIGTERM', [
    'KAFKA_BROKERS=localhost:9092 DATABASE_URL=postgres://… belfry timer',
  ]).action(action(() => runService(deps, 'timer', deps.startTimer)));

  group(program, 'api', 'Run the HTTP API, until SIGTERM', [
    'belfry keys create ops --scopes admin',
    'belfry api',
    'BELFRY_AUTH=off belfry api                # without keys, for this machine alone',
  ]).action(action(() => runService(deps, 'api', deps.startApi)));

  group(program, 'executor', 'Run an executor service, until SIGTERM', [
    'belfry executor --handlers ./handlers.ts',
    'belfry executor --handlers ./reports.js --queue reports',
  ])
    .option('--handlers <file>', 'a module that exports handlers; without it, only HTTP_REQUEST jobs run')
    .option('--queue <name>', 'which queue to serve (default: default)', named('--queue', QUEUE))
    .action(
      action(({ handlers, queue }: ExecutorFlags) =>
        runService(deps, 'executor', (config, log, fail) =>
          deps.startExecutor(config, log, fail, {
            isWatched: true,
            ...(handlers !== undefined && { handlersFile: handlers }),
            ...(queue !== undefined && { queue }),
          }),
        ),
      ),
    );
}

async function runService(deps: CliDeps, name: string, start: ServiceStart): Promise<ExitCode> {
  const config = deps.config();
  requireServers(config, { kafka: true, database: true });
  const log = deps.makeLog(config.logLevel, name);
  return (await deps.runUntilStopped(log, (fail) => start(config, log, fail, { isWatched: true }))) as ExitCode;
}
