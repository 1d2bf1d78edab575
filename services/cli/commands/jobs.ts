import { JOB_STATES, OVERLAPS, type ConcurrencyKey, type JobState, type Overlap } from '../../core/model.ts';
import { formatInstant } from '../../core/spec/instant.ts';
import { isOneShot } from '../../core/occurrences/schedule.ts';
import type { CommandOptions, CommandResult } from '../../client/types.ts';
import { jobJson, runJson, systemJobJson, type JobView } from '../../core/resources.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, type ExitCode } from '../exit.ts';
import { printList, upTo } from '../list.ts';
import { addBackfill } from './backfill.ts';
import { byTenant, group, jobIdArgument, jsonValue, leaf, limited, ofTenant, oneOf } from '../options.ts';
import type { JsonOption, TenantOption } from '../options.ts';
import { facts, iso, jobName, json, table, when } from '../output.ts';
import { RUN_HEAD, runCells, scheduleText, workText } from '../views.ts';
import { addWait, waitForRun, type WaitOption } from '../wait.ts';

const RUNS_SHOWN = 5;

type ListOptions = JsonOption & { tenant?: string; state?: JobState; own?: true; limit: number };
type TriggerFlags = JsonOption & TenantOption & WaitOption & { payload?: { value: unknown }; overlap?: Overlap };

export function addJobs(cli: Cli): void {
  const { program, deps, action } = cli;
  const jobs = group(program, 'jobs', 'Look at jobs, and steer them', ['belfry jobs list', 'belfry jobs pause report']);

  const list = leaf(jobs, 'list', 'List jobs', ['belfry jobs list', 'belfry jobs list --state PAUSED --json']);
  limited(byTenant(list), 50)
    .addOption(oneOf('--state <state>', 'only in this state', JOB_STATES))
    .option('--own', "Belfry's own, too: those that deliver for webhooks")
    .action(action((options: ListOptions) => listJobs(deps, options)));

  const show = leaf(jobs, 'show', 'Show a job, its schedule and its latest runs', ['belfry jobs show report']);
  ofTenant(show)
    .argument('<job-id>', 'the job', jobIdArgument)
    .action(action((jobId: string, options: JsonOption & TenantOption) => showJob(deps, jobId, options)));

  leaf(jobs, 'system', 'Show what Belfry does for itself by the clock', ['belfry jobs system']).action(
    action((options: JsonOption) => showSystemJobs(deps, options)),
  );

  const simple = {
    pause: 'Stop a job from firing until it is resumed',
    resume: 'Let a paused job fire again; what passed meanwhile is SKIPPED',
    cancel: 'End a job: no further run starts, running ones get a signal',
  };
  for (const [name, summary] of Object.entries(simple) as [keyof typeof simple, string][]) {
    ofTenant(leaf(jobs, name, summary, [`belfry jobs ${name} report`]))
      .argument('<job-id>', 'the job', jobIdArgument)
      .action(
        action(async (jobId: string, options: JsonOption & TenantOption) => {
          const { tenant } = options;
          return answered(deps, options, await deps.client()[name](jobId, { tenant }));
        }),
      );
  }

  addBackfill(jobs, cli);

  const trigger = leaf(jobs, 'trigger', 'Run a job now, beside its schedule', [
    'belfry jobs trigger report --wait',
    `belfry jobs trigger invoice --payload '{"invoice":42}'`,
  ]);
  addWait(ofTenant(trigger))
    .argument('<job-id>', 'the job', jobIdArgument)
    .option('--payload <json>', "instead of the job's own", jsonValue('--payload'))
    .addOption(oneOf('--overlap <policy>', "instead of the job's own", OVERLAPS))
    .action(action((jobId: string, options: TriggerFlags) => triggerJob(deps, jobId, options)));
}

async function listJobs(deps: CliDeps, options: ListOptions): Promise<ExitCode> {
  const { tenant, state, own, limit } = options;
  const found = await deps.inspect().jobs({ tenant, state, own }, limit + 1);
  const isFiltered = tenant !== undefined || state !== undefined;
  return printList(deps, options.json, {
    ...upTo(limit, found),
    name: 'jobs',
    toJson: jobJson,
    head: ['JOB', 'STATE', 'NEXT', 'SCHEDULE', 'RUNS'],
    cells: jobCells,
    none: isFiltered
      ? 'no such jobs'
      : 'no jobs yet: schedule one, for example: belfry schedule hello --handler greet --in 10s',
    others: '--limit shows more',
  });
}

function jobCells(job: JobView, now: number): string[] {
  if (job.unreadable !== undefined)
    return [jobName(job.tenant, job.jobId), job.state, '-', `unreadable: ${job.unreadable}`, '-'];
  return [
    jobName(job.tenant, job.jobId),
    job.state,
    when(job.nextStartAt, now),
    `${scheduleText(job)}: ${workText(job.spec)}`,
    runCountText(job) ?? '-',
  ];
}

/** Runs are counted for the sake of `maxRuns`: one-shots are not. */
function runCountText({ spec, runCount }: JobView): string | null {
  return isOneShot(spec.schedule) ? null : String(runCount);
}

async function showJob(
  deps: CliDeps,
  jobId: string,
  { tenant, ...options }: JsonOption & TenantOption,
): Promise<ExitCode> {
  const inspect = deps.inspect();
  const job = await inspect.job(tenant, jobId);
  if (job === undefined) throw notFound(`There is no job ${jobName(tenant, jobId)}: see belfry jobs list.`);
  const runs = await inspect.runs({ tenant, jobId }, RUNS_SHOWN);
  if (job.unreadable !== undefined && !options.json) {
    deps.print(
      facts([
        ['job', jobName(tenant, jobId)],
        ['state', job.state],
        ['unreadable', job.unreadable],
      ]),
    );
    return EXIT.ok;
  }
  if (options.json) {
    deps.print(json({ ...jobJson(job), runs: runs.map(runJson) }));
    return EXIT.ok;
  }
  const now = deps.clock.now();
  const { spec } = job;
  deps.print(
    facts([
      ['job', jobName(tenant, jobId)],
      ['state', job.state],
      ['next', when(job.nextStartAt, now)],
      ['schedule', scheduleText(job)],
      ['then', job.downstreams?.join(', ') ?? null],
      ['type', spec.type],
      ['handler', spec.handler || null],
      ['payload', JSON.stringify(spec.payload)],
      ['queue', `${spec.queue}, ${spec.priority} priority`],
      ['overlap', spec.overlap],
      ['concurrencyKey', concurrencyText(spec.concurrencyKey)],
      ['retries', String(spec.retry.maxRetries)],
      [
        'labels',
        Object.entries(spec.labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ') || null,
      ],
      ['runs so far', runCountText(job)],
      ['version', `${job.version}, of ${iso(job.updatedAt)}`],
    ]),
  );
  deps.print(
    runs.length === 0
      ? '\nno runs yet'
      : `\n${table(
          RUN_HEAD,
          runs.map((run) => runCells(run, now)),
        )}`,
  );
  return EXIT.ok;
}

async function triggerJob(deps: CliDeps, jobId: string, options: TriggerFlags): Promise<ExitCode> {
  const { tenant, overlap } = options;
  const client = deps.client();
  const commandId = deps.ids.uuid();
  const flags: CommandOptions = { tenant, commandId };
  const payload = options.payload && { payload: options.payload.value };
  const send = (): Promise<CommandResult> => client.trigger(jobId, { ...flags, ...payload, overlap });
  if (!options.wait) return answered(deps, options, await send());
  return waitForRun(deps, options, { tenant, jobId }, send, ({ cause }) => cause === commandId);
}

/** Prints the answer to a command. */
export function answered(deps: CliDeps, { json: asJson }: JsonOption, result: CommandResult): ExitCode {
  if (asJson) {
    deps.print(json({ ...result, nextFireAt: result.nextFireAt && formatInstant(result.nextFireAt.getTime()) }));
    return EXIT.ok;
  }
  deps.print(answerText(result, deps.clock.now()));
  return EXIT.ok;
}

function answerText({ outcome, tenant, jobId, state, version, nextFireAt }: CommandResult, now: number): string {
  const next = nextFireAt === null ? '' : `, next ${when(nextFireAt.getTime(), now)}`;
  const job = state === null ? '' : `: ${state}, version ${version}${next}`;
  return `${outcome}  ${jobName(tenant, jobId)}${job}`;
}

function concurrencyText(shared: ConcurrencyKey | undefined): string | null {
  return shared === undefined ? null : `${shared.key}, ${shared.limit} at one time`;
}

async function showSystemJobs(deps: CliDeps, options: JsonOption): Promise<ExitCode> {
  const found = await deps.inspect().systemJobs();
  if (options.json) deps.print(json({ jobs: found.map(systemJobJson) }));
  else if (found.length === 0) deps.print('nothing yet: a timer does it when it has started');
  else {
    const now = deps.clock.now();
    const rows = found.map(({ name, status, lastRunAt, nextRunAt, result, changed, changedAt }) => {
      const before = changed === null || changed === result ? '-' : `${changed}, ${when(changedAt, now)}`;
      return [name, status, when(lastRunAt, now), when(nextRunAt, now), result, before];
    });
    deps.print(table(['JOB', 'STATUS', 'LAST', 'NEXT', 'RESULT', 'LAST CHANGE'], rows));
  }
  return EXIT.ok;
}
