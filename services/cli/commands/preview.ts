import { BelfryError } from '../../core/errors.ts';
import { previewOccurrences, type PreviewedOccurrence } from '../../core/occurrences/preview.ts';
import { anchorOf } from '../../core/occurrences/schedule.ts';
import type { JobInput, ScheduleInput } from '../../core/spec/input.ts';
import { parseJobSpec } from '../../core/spec/parse-command.ts';
import { toWireSchedule } from '../../core/spec/to-wire.ts';
import type { Cli, CliDeps } from '../deps.ts';
import { EXIT, notFound, usageError, type ExitCode } from '../exit.ts';
import { readJobFile } from '../job-file.ts';
import { addScheduleFlags, scheduleInputOf, type ScheduleFlags } from '../job-input.ts';
import { jobIdArgument, leaf, moment, ofTenant, whole, type JsonOption, type TenantOption } from '../options.ts';
import { iso, json, relative, table } from '../output.ts';

type Flags = JsonOption & TenantOption & ScheduleFlags & { file?: string; from?: number; count: number };

const DST = {
  gap: 'the clock change skips this time: moved',
  repeat: 'the clock change brings this time twice',
} as const;

export function addPreview({ program, deps, action }: Cli): void {
  const preview = leaf(
    program,
    'preview',
    'Show the next times of a schedule, or of a job, without scheduling anything',
    [
      'belfry preview --cron "30 2 * * *" --timezone Europe/Paris --from 2026-03-27T00:00:00Z',
      'belfry preview --every 90m --count 3',
      'belfry preview report',
    ],
  );
  ofTenant(addScheduleFlags(preview))
    .argument('[job-id]', 'an existing job, instead of flags', jobIdArgument)
    .option('--file <path>', 'a job as JSON, instead of flags')
    .option('--from <time>', 'from this time on (default: now)', moment('--from', deps.clock))
    .option('--count <n>', 'how many', whole('--count', 1, 1_000), 10)
    .action(action((jobId: string | undefined, flags: Flags) => showPreview(deps, jobId, flags)));
}

async function showPreview(deps: CliDeps, jobId: string | undefined, flags: Flags): Promise<ExitCode> {
  const now = deps.clock.now();
  const from = flags.from ?? now;
  const { schedule, anchorAt } = await scheduleOf(deps, jobId, flags, now);
  const occurrences = previewOccurrences(schedule, { from, count: flags.count, anchorAt });
  if (flags.json) {
    const lines = occurrences.map(({ at, ...rest }) => ({ at: iso(at), ...rest }));
    deps.print(json({ schedule: toWireSchedule(schedule), occurrences: lines }));
    return EXIT.ok;
  }
  if (occurrences.length === 0) {
    deps.print('no occurrence from that time on');
    return EXIT.ok;
  }
  deps.print(
    table(
      ['LOCAL TIME', 'UTC', '', ''],
      occurrences.map((occurrence) => cells(occurrence, now)),
    ),
  );
  if (schedule.kind === 'fixedDelay') deps.warn('The later ones depend on when the run before ends.');
  return EXIT.ok;
}

function cells({ at, local, excluded, dst }: PreviewedOccurrence, now: number): string[] {
  const remarks = [excluded && 'excluded', dst && DST[dst]].filter(Boolean).join('; ');
  return [local, iso(at), relative(at, now), remarks];
}

async function scheduleOf(deps: CliDeps, jobId: string | undefined, flags: Flags, now: number) {
  if (jobId === undefined) {
    const input = flags.file === undefined ? scheduleInputOf(flags) : (await readJobFile(deps, flags.file)).schedule;
    const { schedule } = validated(input);
    return { schedule, anchorAt: anchorOf(schedule, now) };
  }
  if (flags.file !== undefined) throw usageError('Name a job or a file, not both.');
  const job = await deps.inspect().job(flags.tenant, jobId);
  if (job === undefined) throw notFound(`There is no job ${jobId}: see belfry jobs list.`);
  if (job.state !== 'SCHEDULED') deps.warn(`The job is ${job.state}: as it is, it does not run at these times.`);
  return { schedule: job.spec.schedule, anchorAt: job.anchorAt };
}

function validated(schedule: ScheduleInput) {
  const job: JobInput = { type: 'CUSTOM', handler: 'preview', schedule };
  const parsed = parseJobSpec(job, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  if (!('rejection' in parsed)) return parsed;
  const { code, message, field } = parsed.rejection;
  throw new BelfryError(code, message, { ...(field !== undefined && { field }) });
}
