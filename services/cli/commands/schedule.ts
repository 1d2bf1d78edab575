import type { CommandResult, ScheduleOptions } from '../../client/types.ts';
import type { JobInput } from '../../core/spec/input.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { usageError, type ExitCode } from '../exit.ts';
import { readJobFile } from '../job-file.ts';
import { addJobFlags, jobInputOf, type JobFlags } from '../job-input.ts';
import { jobIdArgument, leaf, ofTenant, oneOf, whole, type JsonOption, type TenantOption } from '../options.ts';
import { addWait, waitForRun, type WaitOption } from '../wait.ts';
import { answered } from './jobs.ts';

type Flags = JsonOption &
  TenantOption &
  WaitOption &
  JobFlags &
  Pick<ScheduleOptions, 'ifExists' | 'ifVersion'> & { file?: string };

/** Flags that say something about the command, not about the job. */
const NOT_OF_JOB = ['json', 'tenant', 'wait', 'waitTimeout', 'ifExists', 'ifVersion', 'file'];

export function addSchedule({ program, deps, action }: Cli): void {
  const schedule = leaf(program, 'schedule', 'Create a job, or replace one', [
    'belfry schedule hello --handler greet --in 10s --wait',
    `belfry schedule invoice-42 --handler send-invoice --payload '{"invoice":42}' --at 2026-12-01T09:00:00Z`,
    'belfry schedule report --url https://example.com/report --method POST --cron "0 9 * * MON-FRI" --timezone Europe/Paris',
    `belfry schedule tick --topic ticks --value '{"n":1}' --every 5m`,
    'belfry schedule load --handler load --after extract,transform:always',
    'belfry schedule nightly --file nightly.json --if-exists keep',
  ]);
  addWait(addJobFlags(ofTenant(schedule)))
    .argument('<job-id>', 'the job', jobIdArgument)
    .option('--file <path>', 'the job as JSON, instead of flags')
    .addOption(oneOf('--if-exists <what>', 'replace unless given', ['replace', 'keep', 'reject']))
    .option('--if-version <n>', 'only if the job has this version', whole('--if-version', 1, Number.MAX_SAFE_INTEGER))
    .action(action((jobId: string, flags: Flags) => scheduleJob(deps, jobId, flags)));
}

async function scheduleJob(deps: CliDeps, jobId: string, flags: Flags): Promise<ExitCode> {
  const { tenant, ifExists, ifVersion } = flags;
  const job = await jobOf(deps, flags);
  const client = deps.client();
  const send = (): Promise<CommandResult> => client.schedule(jobId, job, { tenant, ifExists, ifVersion });
  if (!flags.wait) return scheduled(deps, flags, await send());
  const sendAndTell = async (): Promise<CommandResult | undefined> => {
    const result = await send();
    if (result.state !== 'FINISHED') return result;
    scheduled(deps, flags, result);
    return undefined;
  };
  // Runs of an earlier version may end meanwhile.
  return waitForRun(
    deps,
    flags,
    { tenant, jobId },
    sendAndTell,
    ({ jobVersion }, { version }) => jobVersion >= (version ?? 0),
  );
}

/** One that has ended is not begun again by what it was scheduled with before. */
function scheduled(deps: CliDeps, flags: Flags, result: CommandResult): ExitCode {
  const told = answered(deps, flags, result);
  if (result.state === 'FINISHED' && !flags.json) {
    deps.warn(`It has had its runs. To run it once more: belfry jobs trigger ${result.jobId}`);
  }
  return told;
}

async function jobOf(deps: CliDeps, flags: Flags): Promise<JobInput> {
  const { file } = flags;
  if (file === undefined) return jobInputOf(flags);
  const others = Object.keys(flags).filter((name) => !NOT_OF_JOB.includes(name));
  if (others.length > 0)
    throw usageError(`--file brings the whole job: leave out --${others.map(dashed).join(', --')}.`);
  return readJobFile(deps, file);
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
