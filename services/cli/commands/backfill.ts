import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../exit.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { jobIdArgument, leaf, moment, ofTenant, oneOf, whole, type JsonOption, type TenantOption } from '../options.ts';
import { iso, jobName, json } from '../output.ts';
import { MAX_BACKFILL } from '../../core/spec/parse-command.ts';

type Flags = JsonOption &
  TenantOption & { from: number; to: number; dryRun?: true; overlap?: 'buffer_all' | 'allow'; limit?: number };

/** `belfry jobs backfill`. */
export function addBackfill(jobs: Command, { deps, action }: Cli): void {
  const backfill = leaf(jobs, 'backfill', 'Run occurrences of a recurring job that passed without a run', [
    'belfry jobs backfill report --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --dry-run',
  ]);
  ofTenant(backfill)
    .argument('<job-id>', 'the job', jobIdArgument)
    .requiredOption('--from <time>', 'the first time that belongs to it', moment('--from', deps.clock))
    .requiredOption('--to <time>', 'the first time that does not any more', moment('--to', deps.clock))
    .option('--dry-run', 'only tell which occurrences would run')
    .addOption(oneOf('--overlap <policy>', 'one after the other unless given', ['buffer_all', 'allow']))
    .option('--limit <n>', 'refuse when there are more', whole('--limit', 1, MAX_BACKFILL))
    .action(action((jobId: string, flags: Flags) => backfillJob(deps, jobId, flags)));
}

async function backfillJob(deps: CliDeps, jobId: string, flags: Flags): Promise<ExitCode> {
  const { tenant, from, to, dryRun = false, overlap, limit } = flags;
  const span = { from: new Date(from), to: new Date(to) };
  const result = await deps.client().backfill(jobId, { tenant, ...span, dryRun, overlap, limit });
  const occurrences = result.occurrences.map((at) => iso(at.getTime()));
  if (flags.json) {
    deps.print(json({ tenant, jobId, dryRun, outcome: result.outcome, matched: occurrences.length, occurrences }));
    return EXIT.ok;
  }
  const verb = dryRun ? 'would run' : 'are run';
  deps.print(`${jobName(tenant, jobId)}: ${occurrences.length} occurrences ${verb}`);
  for (const at of occurrences) deps.print(`  ${at}`);
  return EXIT.ok;
}
