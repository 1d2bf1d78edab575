/** Occurrences of a job, past and to come: rows of history, and what the schedule says of times that have none. */
import { isOpen, tracksRuns, type Job } from '../model.ts';
import type { RunSummary } from '../ports/inspect.ts';
import { firstRunId, scheduledMsOf } from '../run-id.ts';
import { scheduledRunId, scheduledSince } from './of-job.ts';
import { previewed, type PreviewedOccurrence } from './preview.ts';
import { isExcluded, isOneShot, nextOccurrence } from './schedule.ts';

/** An occurrence and its run; without one it is still to come, or nobody has begun it. */
export type ListedOccurrence = PreviewedOccurrence & { runId: string; run: RunSummary | null };

export type ListedPage = { occurrences: ListedOccurrence[]; more: boolean };

/** So many times of the schedule are gone through for a page. */
const MOST_LOOKED_AT = 20_000;

/**
 * @param rows of the page, in the order of their ids: `limit` and one more, if there are as many
 * @param groups of skipped occurrences that reach into the page
 * @param page `after`: the id that the page begins behind; `to`: before this time (ms)
 */
export function listOccurrences(
  job: Job,
  rows: readonly RunSummary[],
  groups: readonly RunSummary[],
  { after, to, limit }: { after: string; to: number; limit: number },
): ListedPage {
  const told = new Map<string, RunSummary | null>();
  const covering = [...groups, ...rows].filter(({ from }) => from !== null);
  for (const at of plannedTimes(job, covering, { after, to, limit })) told.set(scheduledRunId(job, at), null);
  for (const { runId } of [...job.active, ...job.buffered]) {
    if (runId > after && runId < firstRunId(to)) told.set(runId, null);
  }
  for (const run of rows) told.set(run.runId, run);
  const occurrences = [...told.keys()]
    .sort()
    .slice(0, limit)
    .map((runId) => occurrenceOf(job, runId, told.get(runId)!));
  return { occurrences, more: told.size > limit };
}

function occurrenceOf(job: Job, runId: string, run: RunSummary | null): ListedOccurrence {
  return { ...previewed(job.spec.schedule, run?.scheduledFor ?? scheduledMsOf(runId)), runId, run };
}

type Span = { after: string; to: number; limit: number };

/** Times of the schedule that are not decided yet, or that were handed to an executor without a trace at the job. */
function plannedTimes(job: Job, groups: readonly RunSummary[], { after, to, limit }: Span): number[] {
  const { schedule } = job.spec;
  const isTracked = tracksRuns(job.spec);
  const isOver = !isOpen(job);
  if (isOver && (isTracked || job.state === 'CANCELLED')) return [];
  const undecided = job.nextAt ?? Infinity;
  const from = Math.max(scheduledMsOf(after), isTracked ? undecided : scheduledSince(job));
  const end = isOver ? Math.min(to, job.updatedAt + 1) : to;
  if (schedule.kind === 'fixedDelay' || isOneShot(schedule)) {
    const at = job.nextAt ?? (isOneShot(schedule) ? nextOccurrence(schedule, job.anchorAt, -1) : null);
    return at !== null && at >= scheduledMsOf(after) && at < to
      ? [at].filter((each) => scheduledRunId(job, each) > after)
      : [];
  }
  // Of a few runs that are left, those before the page count.
  let runsLeft = schedule.maxRuns === null ? Infinity : schedule.maxRuns - job.runCount;
  const start = runsLeft === Infinity ? from : Math.min(from, undecided);
  const times: number[] = [];
  let at = nextOccurrence(schedule, job.anchorAt, start - 1);
  for (let looked = 0; at !== null && at < end && times.length <= limit && looked < MOST_LOOKED_AT; looked++) {
    const time = at;
    const group = groups.find((each) => each.from! <= time && each.to! >= time);
    at = nextOccurrence(schedule, job.anchorAt, group?.to ?? time);
    if (time >= undecided && !isExcluded(schedule, time) && --runsLeft < 0) break;
    if (group === undefined && time >= from && scheduledRunId(job, time) > after) times.push(time);
  }
  return times;
}
