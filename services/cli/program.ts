/** The command line as one commander program. */
import { Command, CommanderError } from 'commander';
import { BelfryError, messageOf } from '../core/errors.ts';
import { addAudit } from './commands/audit.ts';
import { addApply } from './commands/apply.ts';
import { addDev } from './commands/dev.ts';
import { addDlq } from './commands/dlq.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEvents } from './commands/events.ts';
import { addJobs } from './commands/jobs.ts';
import { addKeys } from './commands/keys.ts';
import { addTenants } from './commands/tenants.ts';
import { addMigrate } from './commands/migrate.ts';
import { addPreview } from './commands/preview.ts';
import { addRejected } from './commands/rejected.ts';
import { addRuns } from './commands/runs.ts';
import { addSchedule } from './commands/schedule.ts';
import { addServices } from './commands/services.ts';
import { addWhy } from './commands/why.ts';
import { addTransfer } from './commands/transfer.ts';
import { addWebhooks } from './commands/webhooks.ts';
import type { Cli, CliDeps } from './deps.ts';
import { EXIT, exitCodeOf, usageError, type ExitCode } from './exit.ts';
import { examplesText } from './options.ts';
import { json } from './output.ts';

const EXAMPLES = [
  'belfry dev --demo                     # everything on this machine, with jobs to look at',
  'belfry schedule hello --handler greet --in 10s --wait',
  'belfry jobs list',
  'belfry dlq list',
];

/**
 * Runs one command.
 * @param args what stands behind `belfry`
 */
export async function runCli(args: readonly string[], deps: CliDeps): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program: Command = new Command('belfry')
    .version(deps.version)
    .description('Schedules jobs over Kafka: commands in, runs out, each occurrence once.')
    .addHelpText(
      'after',
      `${examplesText(EXAMPLES)}\n\nExit codes: 0 ok, 1 failed, 2 usage, 3 rejected, 4 not found, 5 no answer in time.`,
    )
    .option('--api-url <url>', 'work over the HTTP API alone, with the key in BELFRY_API_KEY (default: BELFRY_API_URL)')
    .hook('preAction', (_program, command) => prepare(deps, program.opts<{ apiUrl?: string }>().apiUrl, command))
    .showHelpAfterError('(add --help for what it takes)')
    .configureOutput({ writeOut: (text) => deps.print(text.trimEnd()), writeErr: (text) => deps.warn(text.trimEnd()) })
    .exitOverride();
  const action: Cli['action'] =
    (run) =>
    async (...params) => {
      code = await run(...params);
    };
  const cli: Cli = { program, deps, action };
  for (const add of [
    addDev,
    addMigrate,
    addServices,
    addSchedule,
    addApply,
    addTransfer,
    addJobs,
    addRuns,
    addWhy,
    addEvents,
    addRejected,
    addDlq,
    addPreview,
    addDoctor,
    addKeys,
    addTenants,
    addWebhooks,
    addAudit,
  ]) {
    add(cli);
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, deps, args.includes('--json'));
  }
}

/** Commands that run or examine the servers themselves. */
const OF_SERVERS = ['dev', 'migrate', 'doctor', 'timer', 'executor', 'api'];

/** Before a command runs: by which way it goes, and whose tenant it is where none is named. */
async function prepare(deps: CliDeps, flag: string | undefined, command: Command): Promise<void> {
  if (OF_SERVERS.includes(command.name()) && command.parent?.parent === null) {
    if (flag !== undefined)
      throw usageError(`belfry ${command.name()} needs the servers themselves: leave out --api-url.`);
    return;
  }
  const url = flag ?? deps.env.BELFRY_API_URL;
  if (url) deps.useApi(url);
  if (command.getOptionValueSource('tenant') === 'default') command.setOptionValue('tenant', await deps.tenant());
}

/** One clear line for people, one document for programs. */
function explain(error: unknown, deps: CliDeps, asJson: boolean): ExitCode {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    // People have been told by commander itself.
    if (asJson) deps.print(json({ error: { code: 'usage', message: error.message.replace(/^error: /, '') } }));
    return EXIT.usage;
  }
  const { code = 'bug', field, ids } = error instanceof BelfryError ? error : {};
  if (asJson) deps.print(json({ error: { code, message: messageOf(error), field, ...ids } }));
  deps.warn(`error: ${messageOf(error)}`);
  if (deps.env.LOG_LEVEL === 'debug' && error instanceof Error) deps.warn(error.stack ?? '');
  return exitCodeOf(error);
}
