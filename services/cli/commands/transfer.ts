/** Jobs out of a deployment into a file, and from a file into a deployment. */
import { BelfryError } from '../../core/errors.ts';
import { MANAGED_BY } from '../../core/managed.ts';
import { isOpen, JOB_STATES, type JobState } from '../../core/model.ts';
import { isOwnName } from '../../core/own-names.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, usageError, type ExitCode } from '../exit.ts';
import { readJobsFile, writeJobsFile, type FiledJob } from '../jobs-file.ts';
import { byTenant, leaf, oneOf, pair, type JsonOption } from '../options.ts';
import { jobName, json } from '../output.ts';
import { exitOf, lookUp, refusalJson, refusals, refusalText } from './apply.ts';

type ExportFlags = JsonOption & {
  tenant?: string;
  state?: JobState;
  label?: Record<string, string>;
  managedBy?: string;
};
type ImportFlags = JsonOption & { file: string; replace?: true };

/** One file of more helps nobody. */
const MOST_JOBS = 100_000;

export function addTransfer({ program, deps, action }: Cli): void {
  byTenant(
    leaf(program, 'export', 'Write jobs as YAML that apply and import take', [
      'belfry export > jobs.yaml',
      'belfry export --tenant acme --label team=billing --json',
    ]),
  )
    .addOption(oneOf('--state <state>', 'only in this state (default: SCHEDULED and PAUSED)', JOB_STATES))
    .option('--label <name=value>', 'only with this label; may be repeated', pair('--label'))
    .option('--managed-by <name>', 'only what apply keeps under this name')
    .action(action((flags: ExportFlags) => exportJobs(deps, flags)));

  leaf(program, 'import', 'Schedule the jobs of a file under their ids', [
    'belfry import -f jobs.yaml',
    'belfry import -f jobs.yaml --replace',
  ])
    .requiredOption('-f, --file <path>', 'YAML or JSON; - for standard input')
    .option('--replace', 'replace jobs that exist; else none is touched when one exists')
    .action(action((flags: ImportFlags) => importJobs(deps, flags)));
}

async function exportJobs(deps: CliDeps, flags: ExportFlags): Promise<ExitCode> {
  const { tenant, state, label = {}, managedBy } = flags;
  const found = await deps.inspect().jobs({ tenant, state }, MOST_JOBS + 1);
  if (found.length > MOST_JOBS)
    throw usageError(`There are more than ${MOST_JOBS} jobs: narrow them by --tenant or --state.`);
  const labels = { ...label, ...(managedBy === undefined ? {} : { [MANAGED_BY]: managedBy }) };
  const jobs = found.filter(
    (job) =>
      // The others would fire again, or are wanted no more.
      (state !== undefined || isOpen(job)) &&
      !isOwnName(job.jobId) &&
      Object.entries(labels).every(([key, value]) => job.spec.labels[key] === value),
  );
  for (const { tenant, jobId, unreadable } of jobs)
    if (unreadable !== undefined)
      deps.warn(`${jobName(tenant, jobId)} is left out, since it is unreadable: ${unreadable}`);
  deps.print(
    writeJobsFile(
      jobs.filter(({ unreadable }) => unreadable === undefined),
      flags.json ? 'json' : 'yaml',
    ),
  );
  return EXIT.ok;
}

async function importJobs(deps: CliDeps, flags: ImportFlags): Promise<ExitCode> {
  const { jobs } = await readJobsFile(deps, flags.file);
  if (!flags.replace) await refuseExisting(deps, jobs);
  const client = deps.client();
  const ifExists = flags.replace ? 'replace' : 'reject';
  const work = jobs.map(({ tenant, jobId, job, paused }) => ({
    tenant,
    jobId,
    // In the same batch of the same partition: nothing fires in between.
    send: () =>
      Promise.all([
        client.schedule(jobId, job, { tenant, ifExists }),
        ...(paused ? [client.pause(jobId, { tenant })] : []),
      ]),
  }));
  const refused = await refusals(work);
  const imported = jobs.length - refused.length;
  if (flags.json) deps.print(json({ imported, refused: refused.map(refusalJson) }));
  else deps.print(`${imported} imported`);
  for (const refusal of refused) if (!flags.json) deps.warn(refusalText(refusal));
  return exitOf(refused);
}

async function refuseExisting(deps: CliDeps, jobs: readonly FiledJob[]): Promise<void> {
  const [first, ...more] = (await lookUp(deps.inspect(), jobs)).values();
  if (first === undefined) return;
  const others = more.length === 0 ? 'exists' : `and ${more.length} more exist`;
  const message = `${jobName(first.tenant, first.jobId)} ${others} already; nothing was imported. --replace replaces them.`;
  throw new BelfryError('conflict', message, { ids: { tenant: first.tenant, jobId: first.jobId } });
}
