/** Gathers what is known of an occurrence, and tells its story: for the API, and for the command line beside the servers. */
import type { Job } from '../core/model.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Inspect, RunDetail } from '../core/ports/inspect.ts';
import { nextOccurrence } from '../core/occurrences/schedule.ts';
import { scheduledRunId } from '../core/occurrences/of-job.ts';
import type { JobRef } from '../core/ports/timer-store.ts';
import type { Rejections } from '../core/ports/rejections.ts';
import { placeOf } from '../core/rejected-record.ts';
import type { Circumstances, Facts, RefusedCommand, Story, Why } from '../core/why/facts.ts';
import { mayBeRefused, tell } from '../core/why/why.ts';

export type WhyDeps = {
  inspect: Inspect;
  clock: Clock;
  /** Name of the topic of commands. */
  commandsTopic: string;
  rejections: Pick<Rejections, 'list'>;
};

/** A time without milliseconds stands for its second: that is how people write it down. */
const AROUND_MS = 1_000;
/** Runs of one moment that are told. */
const MOST_RUNS = 5;

/**
 * @param at the scheduled time that is asked about, ms; null: the latest run, and what comes next
 * @throws BelfryError `store_unavailable`
 */
export async function explain(deps: WhyDeps, ref: JobRef, at: number | null): Promise<Why> {
  const { tenant, jobId } = ref;
  const job = await deps.inspect.job(tenant, jobId);
  const now = deps.clock.now();
  if (job?.unreadable !== undefined) return { tenant, jobId, now, stories: [untold(at, job.unreadable)] };
  const stories = at === null ? await latestAndNext(deps, ref, job) : await storiesAt(deps, ref, job, at);
  return { tenant, jobId, now: deps.clock.now(), stories };
}

/** Of a job that cannot be read. */
function untold(at: number | null, why: string): Story {
  return { at, runId: null, verdict: 'unreadable', answer: `the job cannot be read: ${why}`, lines: [], advice: null };
}

async function latestAndNext(deps: WhyDeps, ref: JobRef, job: Job | undefined): Promise<Story[]> {
  const [latest] = await deps.inspect.runs({ tenant: ref.tenant, jobId: ref.jobId }, 1);
  const run = latest && (await deps.inspect.run(latest.runId));
  const stories = run === undefined ? [] : [await story(deps, ref, job, { at: run.scheduledFor, run })];
  if (job === undefined && stories.length > 0) return stories;
  const next = await story(deps, ref, job, { at: nextAt(job, run) });
  return [...stories, next];
}

/** The next undecided time; of a job that is over, the last decided one that has no row yet. */
function nextAt(job: Job | undefined, latest: RunDetail | undefined): number | null {
  if (job === undefined || job.nextAt !== null || latest !== undefined) return job?.nextAt ?? null;
  const { schedule } = job.spec;
  if (schedule.kind === 'at') return schedule.at;
  return schedule.kind === 'in' ? job.anchorAt + schedule.delayMs : null;
}

async function storiesAt(deps: WhyDeps, ref: JobRef, job: Job | undefined, at: number): Promise<Story[]> {
  const { inspect } = deps;
  const until = at + (at % AROUND_MS === 0 ? AROUND_MS : 1);
  const found = await inspect.runs({ ...ref, since: at, until }, MOST_RUNS);
  const details = await Promise.all(found.reverse().map(({ runId }) => inspect.run(runId)));
  const runs = details.filter((run) => run !== undefined);
  if (runs.length > 0) return Promise.all(runs.map((run) => story(deps, ref, job, { at, run })));
  const group = await inspect.skippedGroup(ref, at);
  return [await story(deps, ref, job, { at: group === undefined ? plannedNear(job, at, until) : at, group })];
}

/** The occurrence of the schedule that is meant, if there is one. */
function plannedNear(job: Job | undefined, at: number, until: number): number {
  if (job === undefined) return at;
  const known = [job.nextAt, nextOccurrence(job.spec.schedule, job.anchorAt, at - 1)];
  return known.find((time) => time !== null && time >= at && time < until) ?? at;
}

type Found = Pick<Facts, 'at'> & Partial<Pick<Facts, 'run' | 'group'>>;

async function story(deps: WhyDeps, ref: JobRef, job: Job | undefined, found: Found): Promise<Story> {
  const { at, run, group } = found;
  const runId = run?.runId ?? scheduledRunId(ref, at ?? 0);
  const queue = run?.queue ?? job?.spec.queue ?? '';
  const known = await deps.inspect.circumstances(ref, { runId, at: at ?? 0, queue });
  const circumstances = known ?? nothing(deps.clock.now());
  const facts: Facts = {
    ...ref,
    at,
    job,
    run,
    group,
    circumstances,
    refused: undefined,
    awaited: await deps.inspect.awaitedJobs(ref),
    commandsTopic: deps.commandsTopic,
  };
  const told = tell(facts);
  if (!mayBeRefused(told)) return told;
  const refused = await lastRefused(deps, ref);
  const isNews = refused !== undefined && refused.at >= (job?.createdAt ?? 0);
  return isNews ? tell({ ...facts, refused }) : told;
}

/** Of a job that is gone. */
function nothing(now: number): Circumstances {
  return {
    now,
    owner: '',
    unproduced: 0,
    oldestTimerAt: null,
    timers: [],
    parked: null,
    executors: [],
    historyFrom: 0,
    arrived: [],
  };
}

async function lastRefused({ rejections, commandsTopic }: WhyDeps, ref: JobRef): Promise<RefusedCommand | undefined> {
  const [last] = await rejections.list(ref, 1);
  if (last === undefined) return undefined;
  const { at, code, message } = last;
  return { at, code, message, place: placeOf(last, commandsTopic) };
}
