import { RUN_STATUSES } from '../../core/model.ts';
import type { RunDetail, RunFilter } from '../../core/ports/inspect.ts';
import type { DueRecord, Failure } from '../../core/records.ts';
import { runDetailJson, runJson } from '../../core/resources.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, type ExitCode } from '../exit.ts';
import { printList, upTo } from '../list.ts';
import {
  byTenant,
  byTime,
  group,
  jobIdArgument,
  leaf,
  limited,
  oneOf,
  runIdArgument,
  type JsonOption,
} from '../options.ts';
import { elapsed, facts, jobName, json, table, when } from '../output.ts';
import { RUN_HEAD, runCells, whyText, workText } from '../views.ts';

type CancelOptions = JsonOption & { tenant?: string; job?: string };
type ListOptions = JsonOption & Omit<RunFilter, 'jobId'> & { job?: string; limit: number };

export function addRuns({ program, deps, action }: Cli): void {
  const runs = group(program, 'runs', 'Look at runs, and cancel one', [
    'belfry runs list --job report',
    'belfry runs show RUN_ID',
  ]);

  const list = leaf(runs, 'list', 'List runs, the latest first', [
    'belfry runs list --job report',
    'belfry runs list --status FAILED --since 24h --json',
  ]);
  byTime(limited(byTenant(list), 20), deps.clock, 'scheduled')
    .option('--job <id>', 'only of this job', jobIdArgument)
    .addOption(oneOf('--status <status>', 'only with this status', RUN_STATUSES))
    .action(action((options: ListOptions) => listRuns(deps, options)));

  leaf(runs, 'show', 'Show a run: what came of it, and why', ['belfry runs show 019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55'])
    .argument('<run-id>', 'the run', runIdArgument)
    .action(action((runId: string, options: JsonOption) => showRun(deps, runId, options)));

  byTenant(
    leaf(runs, 'cancel', 'Cancel one run: its job and the other runs go on', [
      'belfry runs cancel 019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
    ]),
  )
    .argument('<run-id>', 'the run', runIdArgument)
    .option('--job <id>', 'its job, where nobody has begun the run, so that it is in no list yet', jobIdArgument)
    .action(action((runId: string, options: CancelOptions) => cancelRun(deps, runId, options)));
}

async function cancelRun(deps: CliDeps, runId: string, options: CancelOptions): Promise<ExitCode> {
  const run = await deps.inspect().run(runId);
  const tenant = options.tenant ?? run?.tenant ?? (await deps.tenant());
  const jobId = options.job ?? run?.jobId;
  if (jobId === undefined) throw notFound(`There is no run ${runId}: with --job it is found also before it begins.`);
  if (run !== undefined && (run.tenant !== tenant || run.jobId !== jobId))
    throw notFound(`The run ${runId} is not one of ${jobName(tenant, jobId)}: leave out --tenant and --job.`);
  const { outcome } = await deps.client().cancelRun(jobId, runId, { tenant });
  const text = outcome === 'unchanged' ? 'is cancelled already' : 'is cancelled: a running one ends within 10 s';
  deps.print(options.json ? json({ runId, tenant, jobId, outcome }) : `${runId} of ${jobName(tenant, jobId)} ${text}`);
  return EXIT.ok;
}

async function listRuns(deps: CliDeps, options: ListOptions): Promise<ExitCode> {
  const { tenant, job: jobId, status, since, until, limit } = options;
  const found = await deps.inspect().runs({ tenant, jobId, status, since, until }, limit + 1);
  return printList(deps, options.json, {
    ...upTo(limit, found),
    name: 'runs',
    toJson: runJson,
    head: RUN_HEAD,
    cells: runCells,
    none: 'no runs: either nothing has come due yet (belfry jobs list), or the filters leave nothing over',
    others: '--limit, --since and --until show others',
  });
}

/** Also `belfry dlq show`. */
export async function showRun(deps: CliDeps, runId: string, options: JsonOption): Promise<ExitCode> {
  const run = await deps.inspect().run(runId);
  if (run === undefined)
    throw notFound(`There is no run ${runId}: it may be waiting for its turn, or gone with its history.`);
  deps.print(options.json ? json(runDetailJson(run)) : runText(run, deps.clock.now()));
  return EXIT.ok;
}

function runText(run: RunDetail, now: number): string {
  const { startedAt, finishedAt, due, replays, discarded } = run;
  const took = startedAt !== null && finishedAt !== null ? ` after ${elapsed(finishedAt - startedAt)}` : '';
  const text = facts([
    ['run', run.runId],
    ['job', `${jobName(run.tenant, run.jobId)}, version ${run.jobVersion}`],
    ['status', run.status],
    ['why', whyText(run, now) === '-' ? null : whyText(run, now)],
    ['handler', workText(run)],
    ['scheduled for', when(run.scheduledFor, now)],
    ['started', when(startedAt, now)],
    ['finished', `${when(finishedAt, now)}${took}`],
    ['attempt', `${run.attempt}${run.lost > 0 ? `, ${run.lost} lost with their worker` : ''}`],
    ['worker', run.worker || null],
    ['trigger', `${run.trigger} (${run.cause})`],
    ['result', run.result === null ? null : `${JSON.stringify(run.result)}${run.resultTruncated ? ' (cut)' : ''}`],
    ['progress', run.progress === null ? null : JSON.stringify(run.progress)],
    ['payload', due === null ? null : JSON.stringify(due.payload)],
    ['replays', replays.map((replay) => `${replay.runId} ${replay.status}`).join(', ') || null],
    ['discarded', discarded && `${when(discarded.at, now)} ${discarded.note}`],
  ]);
  if (due === null) return text;
  const rows = failuresOf(run, due).map(({ attempt, finishedAt: endedAt, worker, error }) => {
    return [String(attempt), when(endedAt, now), worker, `${error.code}: ${error.message}`];
  });
  return `${text}\n\n${table(['ATTEMPT', 'FAILED', 'WORKER', 'ERROR'], rows)}`;
}

/** Those of the attempts before, and the last one, which the run itself holds. */
function failuresOf({ attempt, startedAt, finishedAt, worker, error }: RunDetail, due: DueRecord): readonly Failure[] {
  const before = due.failures.filter((failure) => failure.attempt < attempt);
  if (error === null || finishedAt === null) return before;
  return [...before, { attempt, startedAt, finishedAt, worker, error }];
}
