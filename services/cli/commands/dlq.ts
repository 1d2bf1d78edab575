import type { Command } from 'commander';
import type { DeadFilter, DeadRunSummary } from '../../core/ports/inspect.ts';
import { deadRunJson } from '../../core/resources.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, usageError, type ExitCode } from '../exit.ts';
import { printList, upTo } from '../list.ts';
import {
  byTenant,
  byTime,
  group,
  jobIdArgument,
  leaf,
  limited,
  rate,
  runIdArgument,
  type JsonOption,
} from '../options.ts';
import { jobName, json, table, when } from '../output.ts';
import { replayRuns, replaysText, type ReplayFlags } from '../replay.ts';
import { shortened } from '../views.ts';
import { showRun } from './runs.ts';

const DEAD_HEAD = ['RUN', 'JOB', 'FAILED', 'ATTEMPTS', 'ERROR', 'LINEAGE'];

type FilterOptions = JsonOption &
  Pick<DeadFilter, 'tenant' | 'since' | 'until'> & { job?: string; error?: string; limit: number };
type ChoiceOptions = FilterOptions & { all?: true; dryRun?: true };

export function addDlq({ program, deps, action }: Cli): void {
  const dlq = group(program, 'dlq', 'Look at dead runs (FAILED for good), run them again, or put them away', [
    'belfry dlq list',
    'belfry dlq replay --job invoice --since 24h --dry-run',
  ]);

  const list = leaf(dlq, 'list', 'List dead runs that nobody has settled yet, the latest first', [
    'belfry dlq list',
    'belfry dlq list --job invoice --error http_status --since 24h',
    'belfry dlq list --resolved --json',
  ]);
  filtered(list, deps, 20)
    .option('--resolved', 'also those that were replayed or discarded')
    .action(action((options: FilterOptions & { resolved?: true }) => listDead(deps, options)));

  leaf(dlq, 'show', 'Show a dead run: its payload, its failures, its replays', [
    'belfry dlq show 019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
  ])
    .argument('<run-id>', 'the run', runIdArgument)
    .action(action((runId: string, options: JsonOption) => showRun(deps, runId, options)));

  const replay = leaf(dlq, 'replay', 'Run dead runs again, the oldest first, with their payload and idempotency key', [
    'belfry dlq replay 019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
    'belfry dlq replay --job invoice --error timeout --dry-run',
    'belfry dlq replay --all --rate 10/s --limit 500',
  ]);
  chosen(filtered(replay, deps, 100))
    .option('--rate <n/s>', 'not faster than this: 10/s, 30/m', rate('--rate'))
    .option('--force', 'also runs that have a live or completed replay')
    .action(
      action(async (runIds: string[], options: ChoiceOptions & ReplayFlags) => {
        const { runs, more } = await choose(deps, runIds, options);
        if (options.dryRun) return dryRun(deps, options, 'replay', runs, more);
        const report = await replayRuns(deps, runs.toReversed(), options);
        deps.print(options.json ? json({ runs: report.results, more }) : replaysText(report.results));
        if (more) deps.warn(`There are more than ${options.limit}: run the command again, or raise --limit.`);
        return report.exitCode;
      }),
    );

  const discard = leaf(dlq, 'discard', 'Take dead runs off the list without running them again', [
    'belfry dlq discard 019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55 --note "paid by hand"',
    'belfry dlq discard --job import --until 2026-12-01T00:00:00Z --dry-run',
  ]);
  chosen(filtered(discard, deps, 100))
    .option('--note <text>', 'why, for those who come after', '')
    .action(
      action(async (runIds: string[], options: ChoiceOptions & { note: string }) => {
        const { runs, more } = await choose(deps, runIds, options);
        if (options.dryRun) return dryRun(deps, options, 'discard', runs, more);
        const done =
          runs.length === 0
            ? []
            : await deps.inspect().discard(
                runs.map(({ runId }) => runId),
                options.note,
                deps.actor,
              );
        deps.print(options.json ? json({ discarded: done, more }) : `${done.length} discarded`);
        return EXIT.ok;
      }),
    );
}

function filtered(command: Command, deps: CliDeps, standardLimit: number): Command {
  return byTime(limited(byTenant(command), standardLimit), deps.clock, 'failed')
    .option('--job <id>', 'only of this job', jobIdArgument)
    .option('--error <code>', 'only with this error code, such as timeout');
}

function chosen(command: Command): Command {
  return command
    .argument(
      '[run-ids...]',
      'these runs; without them, those that the filters leave over',
      (text: string, former?: string[]) => [...(former ?? []), runIdArgument(text)],
    )
    .option('--all', 'every unresolved run, where no filter is given')
    .option('--dry-run', 'only show which runs it would be');
}

function filterOf({ tenant, job: jobId, error: errorCode, since, until }: FilterOptions): DeadFilter {
  return { tenant, jobId, errorCode, since, until };
}

async function listDead(deps: CliDeps, options: FilterOptions & { resolved?: true }): Promise<ExitCode> {
  const { limit, resolved } = options;
  const found = await deps.inspect().deadRuns({ ...filterOf(options), resolved }, limit + 1);
  return printList(deps, options.json, {
    ...upTo(limit, found),
    name: 'runs',
    toJson: deadRunJson,
    head: DEAD_HEAD,
    cells: deadCells,
    none: resolved ? 'no dead runs' : 'no unresolved dead runs (--resolved shows the others)',
    others: '--limit shows more',
  });
}

function deadTable(runs: readonly DeadRunSummary[], now: number): string {
  const rows = runs.map((run) => deadCells(run, now));
  return table(DEAD_HEAD, rows);
}

function deadCells(run: DeadRunSummary, now: number): string[] {
  return [
    run.runId,
    jobName(run.tenant, run.jobId),
    when(run.finishedAt, now),
    String(run.attempt),
    run.error === null ? '-' : `${run.error.code}: ${shortened(run.error.message)}`,
    lineageText(run) || '-',
  ];
}

function lineageText({ replayOf, replays, discarded }: DeadRunSummary): string {
  const parts = [
    replayOf && `replay of ${replayOf}`,
    ...replays.map(({ runId, status }) => `replayed as ${runId}: ${status}`),
    discarded && `discarded ${discarded.note}`.trimEnd(),
  ];
  return parts.filter(Boolean).join('; ');
}

/** The runs that were named, or else those that the filters leave over, latest first. */
async function choose(
  deps: CliDeps,
  runIds: readonly string[],
  options: ChoiceOptions,
): Promise<{ runs: readonly DeadRunSummary[]; more: boolean }> {
  const filter = filterOf(options);
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  if (runIds.length > 0) {
    if (isFiltered || options.all) throw usageError('Name runs, or filter them, not both.');
    return { runs: await named(deps, runIds), more: false };
  }
  if (!isFiltered && !options.all)
    throw usageError('Name the runs, filter them (--job, --error, --since, …), or say --all.');
  const found = await deps.inspect().deadRuns(filter, options.limit + 1);
  const { shown: runs, more } = upTo(options.limit, found);
  return { runs, more };
}

async function named(deps: CliDeps, runIds: readonly string[]): Promise<DeadRunSummary[]> {
  const runs: DeadRunSummary[] = [];
  for (const runId of new Set(runIds)) {
    const run = await deps.inspect().run(runId);
    if (run === undefined) throw notFound(`There is no run ${runId}: see belfry dlq list.`);
    if (run.status !== 'FAILED') throw notFound(`The run ${runId} is ${run.status}, not dead.`);
    runs.push({ ...run, resolved: run.discarded !== null });
  }
  return runs;
}

function dryRun(
  deps: CliDeps,
  { json: asJson }: JsonOption,
  verb: string,
  runs: readonly DeadRunSummary[],
  more: boolean,
): ExitCode {
  if (asJson) deps.print(json({ dryRun: true, runs: runs.map(deadRunJson), more }));
  else {
    deps.print(
      `would ${verb} ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}${more ? ', and there are more' : ''}`,
    );
    if (runs.length > 0) deps.print(deadTable(runs, deps.clock.now()));
  }
  return EXIT.ok;
}
