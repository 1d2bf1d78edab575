/** Jobs as code: a file says which jobs there are, and `apply` makes it so. */
import type { BelfryClient } from '../../client/client.ts';
import { COMMANDS_AT_ONCE, inWindow } from '../../client/in-window.ts';
import { messageOf } from '../../core/errors.ts';
import { MANAGED_BY } from '../../core/managed.ts';
import type { JobView } from '../../core/resources.ts';
import { jobKey } from '../../core/topics.ts';
import type { Reader } from '../backend.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, exitCodeOf, type ExitCode } from '../exit.ts';
import type { FieldChange } from '../../core/field-changes.ts';
import { differenceOf, type Change, type Difference } from '../job-diff.ts';
import { managed, readJobsFile, type FiledJob, type JobsFile } from '../jobs-file.ts';
import { leaf, type JsonOption } from '../options.ts';
import { jobName, json, oneLine } from '../output.ts';
import { shortened } from '../views.ts';

type Flags = JsonOption & { file: string; dryRun?: true; prune?: true };
/** A command that was refused, or not answered. */
export type Refusal = { tenant: string; jobId: string; error: unknown };
/** What is sent for a job. */
type Work = { tenant: string; jobId: string; send: () => Promise<unknown> };

/** Jobs are looked up so many at a time. */
const AT_ONCE = 20;

export function addApply({ program, deps, action }: Cli): void {
  leaf(program, 'apply', 'Make the jobs what a file says: show the difference, then change what differs', [
    'belfry apply -f jobs.yaml --dry-run',
    'belfry apply -f jobs.yaml',
    'belfry apply -f jobs.yaml --prune   # also cancel what an earlier version of the file had',
  ])
    .requiredOption('-f, --file <path>', 'YAML or JSON; - for standard input')
    .option('--dry-run', 'only show the difference')
    .option('--prune', `cancel jobs that this file's name keeps (label ${MANAGED_BY}) and that are not in it any more`)
    .action(action((flags: Flags) => apply(deps, flags)));
}

async function apply(deps: CliDeps, flags: Flags): Promise<ExitCode> {
  const file = await readJobsFile(deps, flags.file);
  const inspect = deps.inspect();
  const stored = await lookUp(inspect, file.jobs);
  const kept = await inspect.managedJobs(file.name);
  const difference = differenceOf(file, stored, kept);
  const refused = flags.dryRun ? [] : await carryOut(deps.client(), file, difference, flags.prune ?? false);
  if (flags.json) deps.print(json(document(difference, flags, refused)));
  else tell(deps, difference, flags, refused);
  return exitOf(refused);
}

/** The jobs of these names that there are, by `tenant/jobId`. */
export async function lookUp(
  inspect: Pick<Reader, 'job'>,
  jobs: readonly Pick<FiledJob, 'tenant' | 'jobId'>[],
): Promise<Map<string, JobView>> {
  const found = new Map<string, JobView>();
  for (let at = 0; at < jobs.length; at += AT_ONCE) {
    const some = jobs.slice(at, at + AT_ONCE).map(({ tenant, jobId }) => inspect.job(tenant, jobId));
    for (const job of await Promise.all(some)) if (job !== undefined) found.set(jobKey(job.tenant, job.jobId), job);
  }
  return found;
}

/** The exit code of the worst refusal. */
export function exitOf(refused: readonly Refusal[]): ExitCode {
  return refused.reduce<ExitCode>((worst, { error }) => Math.max(worst, exitCodeOf(error)) as ExitCode, EXIT.ok);
}

/** Each job is changed only if it still is what the difference was made from; one that is refused stops no other. */
async function carryOut(
  client: BelfryClient,
  file: JobsFile,
  { changes, toPrune }: Difference,
  prune: boolean,
): Promise<Refusal[]> {
  const work = changes.flatMap((change): Work[] =>
    change.kind === 'unchanged' ? [] : [{ ...refOf(change.filed), send: () => send(client, change, file.name) }],
  );
  const pruned = prune
    ? toPrune.map((job): Work => ({ ...refOf(job), send: () => client.cancel(job.jobId, refOf(job)) }))
    : [];
  return refusals([...work, ...pruned]);
}

function send(client: BelfryClient, change: Exclude<Change, { kind: 'unchanged' }>, by: string): Promise<unknown> {
  const { filed } = change;
  const { tenant, jobId, paused } = filed;
  const { job } = managed(filed, by);
  const stored = change.kind === 'changed' ? change.stored : undefined;
  const unless = stored === undefined ? ({ ifExists: 'reject' } as const) : { ifVersion: stored.version };
  const isOther = change.kind === 'added' || change.fields.some(({ field }) => field !== 'paused');
  const sent: Promise<unknown>[] = isOther ? [client.schedule(jobId, job, { tenant, ...unless })] : [];
  // In the same batch of the same partition: nothing fires in between.
  if (paused === true && stored?.state !== 'PAUSED') sent.push(client.pause(jobId, { tenant }));
  if (paused === false && stored?.state === 'PAUSED') sent.push(client.resume(jobId, { tenant }));
  return Promise.all(sent);
}

/** Sends all, a bounded number at a time, and answers those that were refused. */
export async function refusals(work: readonly Work[]): Promise<Refusal[]> {
  const ends = await inWindow(work, COMMANDS_AT_ONCE, ({ send: sent }) => sent());
  return ends.flatMap((end, index) => {
    if (end.status === 'fulfilled') return [];
    const { tenant, jobId } = work[index]!;
    return [{ tenant, jobId, error: end.reason as unknown }];
  });
}

const refOf = ({ tenant, jobId }: { tenant: string; jobId: string }): { tenant: string; jobId: string } => ({
  tenant,
  jobId,
});

export const refusalJson = ({ tenant, jobId, error }: Refusal): object => ({
  ...{ tenant, jobId, message: messageOf(error) },
  code: (error as { code?: string }).code ?? 'bug',
});

function document({ changes, toPrune }: Difference, { dryRun, prune }: Flags, refused: readonly Refusal[]): object {
  const of = (kind: Change['kind']): Change[] => changes.filter((change) => change.kind === kind);
  return {
    added: of('added').map(({ filed }) => refOf(filed)),
    changed: of('changed').map((change) => ({
      ...refOf(change.filed),
      fields: change.kind === 'changed' ? change.fields : [],
    })),
    unchanged: of('unchanged').map(({ filed }) => refOf(filed)),
    toPrune: toPrune.map(refOf),
    ...{ dryRun: dryRun ?? false, pruned: (prune ?? false) && !dryRun, refused: refused.map(refusalJson) },
  };
}

function tell(deps: CliDeps, { changes, toPrune }: Difference, flags: Flags, refused: readonly Refusal[]): void {
  for (const change of changes) {
    const { tenant, jobId } = change.filed;
    if (change.kind === 'added') deps.print(`+ ${jobName(tenant, jobId)}`);
    if (change.kind !== 'changed') continue;
    deps.print(`~ ${jobName(tenant, jobId)}`);
    for (const field of change.fields) deps.print(`    ${fieldText(field)}`);
  }
  for (const { tenant, jobId } of toPrune)
    deps.print(`- ${jobName(tenant, jobId)}${flags.prune ? '' : '   (not in the file any more: --prune cancels it)'}`);
  const count = (kind: Change['kind']): number => changes.filter((change) => change.kind === kind).length;
  const prunes = `${toPrune.length} ${flags.prune ? 'pruned' : 'to be pruned'}`;
  const summary = `${count('added')} added, ${count('changed')} changed, ${count('unchanged')} unchanged, ${prunes}`;
  deps.print(flags.dryRun ? `${summary}; nothing was done` : summary);
  for (const refusal of refused) deps.warn(refusalText(refusal));
}

export function refusalText({ tenant, jobId, error }: Refusal): string {
  return `error: ${jobName(tenant, jobId)}: ${messageOf(error)}`;
}

function fieldText({ field, from, to }: FieldChange): string {
  return oneLine(`${field}: ${valueText(from)} → ${valueText(to)}`);
}

function valueText(value: unknown): string {
  if (value === undefined) return '(none)';
  return shortened(typeof value === 'string' ? value : JSON.stringify(value));
}
