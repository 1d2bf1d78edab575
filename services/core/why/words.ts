/** Times, limits and origins as a story says them. */
import type { AppliedCommand, Job } from '../model.ts';
import { formatDuration } from '../spec/duration.ts';
import { formatInstant } from '../spec/instant.ts';
import type { Facts, StoryLine } from './facts.ts';

/** A line at a time, or at no known one. */
export function line(at: number | null, what: string, text: string): StoryLine {
  return { at, what, text };
}

export const time = formatInstant;

/** `350ms`, `12s`, `3m20s`, `2d4h`: as exact as people need it. */
export function span(ms: number): string {
  const far = Math.abs(ms);
  const unit = far < 1_000 ? 1 : far < 3_600_000 ? 1_000 : far < 86_400_000 ? 60_000 : 3_600_000;
  return formatDuration(Math.round(far / unit) * unit);
}

/** How the job came to be as it is, as far as that is known. */
export function acceptedLines(
  { job, commandsTopic }: Pick<Facts, 'job' | 'commandsTopic'>,
  version?: number,
): StoryLine[] {
  if (job === undefined) return [];
  const lines: StoryLine[] = [];
  const schedule = job.appliedCommands?.find(({ type }) => type === 'schedule');
  if (version !== undefined && version !== job.version) {
    lines.push(line(null, 'accepted', `version ${version} of the job, which is at version ${job.version} by now`));
  } else if (schedule !== undefined) {
    const place = placeOf(schedule, job, commandsTopic);
    lines.push(
      line(schedule.at, 'accepted', `version ${job.version} of the job, by command ${schedule.commandId} ${place}`),
    );
  } else {
    lines.push(line(job.createdAt, 'created', `the job, which is at version ${job.version} now`));
  }
  return lines;
}

/** The last command that paused, resumed or cancelled the job. */
export function steeringLines({ job, commandsTopic }: Pick<Facts, 'job' | 'commandsTopic'>): StoryLine[] {
  const command = job?.appliedCommands?.find(({ type }) => type !== 'schedule');
  if (job === undefined || command === undefined) return [];
  return [line(command.at, command.type, `by command ${command.commandId} ${placeOf(command, job, commandsTopic)}`)];
}

function placeOf({ offset }: AppliedCommand, { partition }: Job, topic: string): string {
  return offset === null ? '(enqueued in a transaction)' : `(${topic}, partition ${partition}, offset ${offset})`;
}

/** What a run waits for that waits for a place: the names are those of `tenant-limits.ts` and `executor/places.ts`. */
export function limitText(name: string | null, most: number | null): string {
  const [kind, ...rest] = (name ?? '').split('/');
  if (kind === 'tenant') return `the tenant's quota of ${most} concurrent runs`;
  if (kind === 'rate') return `the tenant's quota of ${most} starts a second`;
  if (kind === 'handler') return `the tenant's quota of ${most} runs of ${rest.slice(1).join('/')} at one time`;
  if (kind === 'key') return `the concurrency key ${rest.slice(1).join('/')}, of which ${most} may run at one time`;
  return `the limit ${name ?? ''} of ${most}`;
}
