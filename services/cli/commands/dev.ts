import type { Cli, CliDeps } from '../deps.ts';
import { startDev, type DevFlags } from '../dev/dev.ts';
import { usageError, type ExitCode } from '../exit.ts';
import { group } from '../options.ts';

export function addDev({ program, deps, action }: Cli): void {
  group(program, 'dev', 'Run everything on this machine: Kafka, PostgreSQL, timer, executor; until Ctrl-C', [
    'belfry dev --demo',
    'belfry dev --handlers ./handlers.ts',
    'KAFKA_BROKERS=localhost:9092 belfry dev     # with a Kafka of your own',
  ])
    .option('--handlers <file>', 'a module that exports handlers')
    .option('--demo', 'with handlers and jobs to look at')
    .action(action((flags: DevFlags) => runDev(deps, flags)));
}

async function runDev(deps: CliDeps, flags: DevFlags): Promise<ExitCode> {
  if (flags.demo && flags.handlers !== undefined)
    throw usageError('--demo brings its own handlers: leave out --handlers.');
  const level = deps.env.LOG_LEVEL || 'error'; // a first start is full of warnings that mend themselves
  const log = deps.makeLog(level, 'dev');
  return (await deps.runUntilStopped(log, (fail) => startDev(deps, flags, log, fail))) as ExitCode;
}
