import { whyJson } from '../../core/resources.ts';
import type { Story, StoryLine, Why } from '../../core/why/facts.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { jobIdArgument, leaf, moment, ofTenant, type JsonOption, type TenantOption } from '../options.ts';
import { iso, jobName, json, oneLine, relative } from '../output.ts';

type Flags = JsonOption & TenantOption & { at?: number };

const TIME_WIDTH = iso(0).length;
/** There is nothing to tell of. */
const NOBODY = ['unknown_job', 'refused'];

export function addWhy({ program, deps, action }: Cli): void {
  const why = leaf(program, 'why', 'Tell why a job ran, or why it did not', [
    'belfry why report                            # its latest run, and what comes next',
    'belfry why report --at 2026-12-01T09:00:00Z  # that occurrence',
  ]);
  ofTenant(why)
    .argument('<job-id>', 'the job', jobIdArgument)
    .option('--at <time>', 'the scheduled time that is asked about', moment('--at', deps.clock))
    .action(action((jobId: string, flags: Flags) => showWhy(deps, jobId, flags)));
}

async function showWhy(deps: CliDeps, jobId: string, { tenant, at, json: asJson }: Flags): Promise<ExitCode> {
  const why = await deps.why(tenant, jobId, at ?? null);
  deps.print(asJson ? json(whyJson(why)) : whyText(why));
  return why.stories.every(({ verdict }) => NOBODY.includes(verdict)) ? EXIT.notFound : EXIT.ok;
}

function whyText({ tenant, jobId, now, stories }: Why): string {
  return stories.map((story) => storyText(jobName(tenant, jobId), story, now)).join('\n\n');
}

/** The answer first; then how it came to it; then what to do. */
function storyText(name: string, { at, runId, verdict, answer, lines, advice }: Story, now: number): string {
  const when = at === null ? 'next' : `${iso(at)} (${relative(at, now)})`;
  const head = `${name}, ${when}: ${verdict.replaceAll('_', ' ').toUpperCase()}`;
  return [
    head,
    `  ${oneLine(capital(answer))}.`,
    ...(lines.length === 0 ? [] : ['', ...linesText(lines)]),
    ...(runId === null ? [] : ['', `  run ${runId}`]),
    ...(advice === null ? [] : ['', `  → ${oneLine(advice)}`]),
  ].join('\n');
}

function linesText(lines: readonly StoryLine[]): string[] {
  const width = Math.max(...lines.map(({ what }) => what.length));
  return lines.map(({ at, what, text }) => `  ${iso(at).padEnd(TIME_WIDTH)}  ${what.padEnd(width)}  ${oneLine(text)}`);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
