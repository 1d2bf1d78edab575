/** What a step takes from each partition, and what must be read before it can be decided. */
import type { Job } from '../core/model.ts';
import { isOneShot } from '../core/occurrences/schedule.ts';
import type {
  Arrival,
  JobRef,
  Known,
  StoredRun,
  Subscribers,
  TimerRow,
  TimerStore,
} from '../core/ports/timer-store.ts';
import { RUN_ID } from '../core/spec/names.ts';
import { jobKey, type Intake, type Topics } from '../core/topics.ts';
import { withCondemned } from './condemned.ts';
import type { TimerLimits } from './deps.ts';
import { dueTopicOf, scheduledRun } from './due-record.ts';
import type { EnqueuedItem } from './enqueued.ts';
import { inputsOf, type Gathered } from './gathered.ts';
import { isPutOff } from './fire.ts';
import type { Input } from './inputs.ts';
import type { ReadItem } from './intake-queue.ts';
import type { OwnedPartition } from './owned.ts';
import { placeOf } from './plan.ts';
import { occurrencesToLookUp } from './apply-backfill.ts';
import { seenRefOf } from './seen.ts';
import type { WaitedItem } from './waited.ts';
import type { TopicCache } from './topic-cache.ts';

/** What the decisions of a step need to know. */
export type Knowledge = {
  known: Known;
  stored: ReadonlyMap<string, StoredRun>;
  /** Waiting retries, by job, of jobs whose runs may be cancelled. */
  retries: ReadonlyMap<string, readonly TimerRow[]>;
  existing: ReadonlySet<string>;
  /** At jobs that hear of the end of an upstream's run. */
  arrivals: readonly Arrival[];
  /** Jobs that run after those whose runs end here without their being read. */
  downstreams: ReadonlyMap<string, readonly string[]>;
  missingTopics: ReadonlySet<string>;
  /** Of each emit, by `subscriberKey`. */
  subscribers: ReadonlyMap<string, Subscribers>;
  /** What waits of the runs that cancels name. */
  waiting: Awaited<ReturnType<TimerStore['waitingRuns']>>;
  /** Of the runs whose retry was read. */
  cancelledRuns: ReadonlySet<string>;
  /** What is stored of the occurrences that backfills ask for; null: nothing. */
  occurrenceRuns: ReadonlyMap<string, StoredRun | null>;
};

/** Commands of a partition that were read elsewhere than from a topic. */
export type SentAside = { waited?: readonly WaitedItem[] | undefined; enqueued?: readonly EnqueuedItem[] | undefined };

const NONE: readonly never[] = [];

/**
 * @param decides false when the partition may only write down news: too much of it is unproduced
 * @param aheadMs how long before its time a timer is taken that may be
 * @param others due timers that stand behind a flood
 */
export function gather(
  owned: OwnedPartition,
  decides: boolean,
  now: number,
  limits: TimerLimits,
  aheadMs: number,
  { waited = NONE, enqueued = NONE }: SentAside = {},
  others: readonly TimerRow[] = NONE,
): Gathered {
  const { publishedRuns, refusedRuns, swept, producedSeqs } = owned;
  const news = {
    publishedRuns: [...publishedRuns],
    refusedRuns: [...refusedRuns],
    swept: decides ? [...swept] : [],
    producedSeqs: [...producedSeqs],
  };
  const items = { completed: NONE, retry: NONE, commands: NONE };
  const gathered: Gathered = { owned, items, waited: NONE, enqueued: NONE, due: NONE, news };
  if (!decides) return gathered;
  const take = (intake: Intake): ReadItem[] => owned.queues[intake].ready(limits.perStep, limits.bytesPerStep);
  const taken = { completed: take('completed'), retry: take('retry'), commands: take('commands') };
  const due = owned.lookAhead.due(now, limits.perStep, limits.bytesPerStep, aheadMs);
  const dueNow = others.length === 0 ? due : withOthers(due, others);
  return withCondemned({ ...gathered, items: taken, waited, enqueued, due: dueNow }, owned.setAside);
}

/** Those that stand behind a flood go first; some of them may be near enough to be known. */
function withOthers(due: readonly TimerRow[], others: readonly TimerRow[]): TimerRow[] {
  return [...new Map([...others, ...due].map((row) => [placeOf(row), row])).values()];
}

/**
 * Reads everything that the decisions of these partitions need, all together.
 * @param inputs of all of them
 */
export async function learn(
  all: readonly Gathered[],
  inputs: readonly Input[],
  { now, store, topicCache, topics }: { now: number; store: TimerStore; topicCache: TopicCache; topics: Topics },
): Promise<Knowledge> {
  const [known, arrivals, downstreams] = await Promise.all([
    readJobs(all, inputs, store),
    readArrivals(inputs, store),
    readDownstreams(all, store),
  ]);
  const needs = await Promise.all([
    readRuns(all, inputs, known, arrivals, now, store),
    readRetries(inputs, known, store),
    topicCache.missing(dueTopics(all, inputs, known, topics)),
    readSubscribers(inputs, store),
    readOccurrences(inputs, known, now, store),
    readWaiting(all, store),
    readCancelled(inputs, store),
  ]);
  const [{ stored, existing }, retries, missingTopics, subscribers, occurrenceRuns, waiting, cancelledRuns] = needs;
  const ofRuns = { stored, existing, retries, waiting, cancelledRuns, occurrenceRuns };
  return { ...ofRuns, known, arrivals, downstreams, missingTopics, subscribers };
}

async function readJobs(all: readonly Gathered[], inputs: readonly Input[], store: TimerStore): Promise<Known> {
  const jobs = new Map<string, JobRef>();
  const commands: (JobRef & { commandId: string })[] = [];
  const need = ({ tenant, jobId }: JobRef): unknown => jobs.set(jobKey(tenant, jobId), { tenant, jobId });
  for (const input of inputs) {
    if (input.kind === 'completion' && input.completion !== null) need(input.completion);
    if (input.kind === 'retry') need(input.due);
    if (input.kind !== 'command' && input.kind !== 'internal') continue;
    if (input.command.type !== 'emit' && input.command.type !== 'fanOut') need(input.command);
    const seen = seenRefOf(input.command);
    if (seen !== undefined) commands.push(seen);
  }
  for (const { news, due } of all) {
    news.swept.forEach(need);
    for (const timer of due) if (timer.kind === 'occurrence' || timer.kind === 'run' || isPutOff(timer)) need(timer);
  }
  if (jobs.size + commands.length === 0) return { jobs: new Map(), seen: new Set() };
  return store.read([...jobs.values()], commands);
}

async function readArrivals(inputs: readonly Input[], store: TimerStore): Promise<readonly Arrival[]> {
  const ended = inputs.flatMap((input) => {
    if (input.kind !== 'command' || input.command.type !== 'upstream') return [];
    const { tenant, jobId, runId } = input.command;
    return [{ tenant, jobId, runId }];
  });
  return ended.length === 0 ? [] : store.arrivals(ended);
}

/** Runs of the exact lane end without their jobs being read. */
async function readDownstreams(all: readonly Gathered[], store: TimerStore): Promise<Knowledge['downstreams']> {
  const ended = all.flatMap(({ news }) => [...news.publishedRuns, ...news.refusedRuns.map(({ run }) => run.run)]);
  const jobs = new Map(ended.map(({ outcome: { tenant, jobId } }) => [jobKey(tenant, jobId), { tenant, jobId }]));
  return jobs.size === 0 ? new Map() : store.downstreams([...jobs.values()]);
}

/** So many subscribers of one event, and of all events together, are looked at in one step. */
const MOST_SUBSCRIBERS = 1_000;
const MOST_SUBSCRIBERS_OF_ALL = 10_000;

async function readSubscribers(inputs: readonly Input[], store: TimerStore): Promise<ReadonlyMap<string, Subscribers>> {
  const wanted = new Map<string, JobRef & { after: string }>();
  for (const input of inputs) {
    if (input.kind !== 'command' && input.kind !== 'internal') continue;
    const { type, tenant, jobId } = input.command;
    if (type !== 'emit' && type !== 'fanOut') continue;
    const after = type === 'emit' ? '' : input.command.after;
    wanted.set(subscriberKey({ tenant, jobId, after }), { tenant, jobId, after });
  }
  if (wanted.size === 0) return new Map();
  const keys = [...wanted.values()].map(({ jobId: event, ...rest }) => ({ ...rest, event }));
  const limit = Math.min(MOST_SUBSCRIBERS, Math.ceil(MOST_SUBSCRIBERS_OF_ALL / keys.length));
  const found = await store.subscribers(keys, limit);
  return new Map([...wanted.keys()].map((key, index) => [key, found[index]!]));
}

export function subscriberKey({ tenant, jobId, after }: JobRef & { after: string }): string {
  return `${jobKey(tenant, jobId)}/${after}`;
}

const NOTHING_WAITS: Knowledge['waiting'] = { timers: [], parked: new Set() };

async function readWaiting(all: readonly Gathered[], store: TimerStore): Promise<Knowledge['waiting']> {
  const named = all.flatMap((gathered) =>
    inputsOf(gathered).flatMap((input) => {
      if (input.kind !== 'command' || input.command.type !== 'cancelRun') return [];
      const { tenant, jobId, runId } = input.command;
      return [{ tenant, jobId, runId, partition: gathered.owned.partition }];
    }),
  );
  return named.length === 0 ? NOTHING_WAITS : store.waitingRuns(named);
}

const NONE_CANCELLED: ReadonlySet<string> = new Set();

async function readCancelled(inputs: readonly Input[], store: TimerStore): Promise<ReadonlySet<string>> {
  const retried = inputs.flatMap((input) =>
    input.kind === 'retry' && RUN_ID.holds(input.due.runId) ? [input.due.runId] : [],
  );
  return retried.length === 0 ? NONE_CANCELLED : store.cancelledRuns(retried);
}

/** What is there already of the occurrences that backfills ask for. */
async function readOccurrences(
  inputs: readonly Input[],
  { jobs }: Known,
  now: number,
  store: TimerStore,
): Promise<ReadonlyMap<string, StoredRun | null>> {
  const runIds = new Set<string>();
  for (const input of inputs) {
    if (input.kind !== 'command' || input.command.type !== 'backfill') continue;
    const job = jobs.get(jobKey(input.command.tenant, input.command.jobId));
    for (const runId of occurrencesToLookUp(job, input.command, now)) runIds.add(runId);
  }
  if (runIds.size === 0) return new Map();
  const stored = await store.runs([...runIds]);
  return new Map([...runIds].map((runId) => [runId, stored.get(runId) ?? null]));
}

/** Runs to be replayed, runs that arrived, and occurrences scheduled anew that may have had their run. */
async function readRuns(
  all: readonly Gathered[],
  inputs: readonly Input[],
  { jobs }: Known,
  arrivals: readonly Arrival[],
  now: number,
  store: TimerStore,
): Promise<Pick<Knowledge, 'stored' | 'existing'>> {
  const named: string[] = arrivals.map(({ runId }) => runId);
  const repeated: string[] = [];
  for (const input of inputs) {
    if (input.kind !== 'command') continue;
    const { command } = input;
    if (command.type === 'replay' || command.type === 'upstream' || command.type === 'cancelRun')
      named.push(command.runId);
    if (command.type !== 'schedule') continue;
    const { schedule, type } = command.job;
    if (type !== 'KAFKA_MESSAGE' && schedule.kind !== 'at') continue;
    if (schedule.kind === 'after') continue;
    const first = schedule.kind === 'at' ? schedule.at : isOneShot(schedule) ? null : schedule.startAt;
    if (first === null || first > now || !jobs.has(jobKey(command.tenant, command.jobId))) continue;
    repeated.push(scheduledRun(command, first).runId);
  }
  for (const { due } of all) {
    // Of two backfills of one occurrence the second may still wait when the first has run.
    for (const { kind, runId, due: waiting } of due) {
      if (kind === 'run' && waiting.includes('"trigger":"backfill"')) repeated.push(runId);
    }
  }
  if (named.length + repeated.length === 0) return { stored: new Map(), existing: new Set() };
  const stored = await store.runs([...new Set([...named, ...repeated])]);
  return { stored, existing: new Set(repeated.filter((runId) => stored.has(runId))) };
}

async function readRetries(
  inputs: readonly Input[],
  { jobs }: Known,
  store: TimerStore,
): Promise<Map<string, readonly TimerRow[]>> {
  const cancelled = new Map<string, Job>();
  for (const [key, job] of jobs) {
    if (job.spec.overlap === 'cancel_running' && job.active.length > 0) cancelled.set(key, job);
  }
  for (const input of inputs) {
    if (input.kind !== 'command') continue;
    const { command } = input;
    const job = jobs.get(jobKey(command.tenant, command.jobId));
    const cancels =
      command.type === 'cancel' ||
      command.type === 'cancelRun' ||
      (command.type === 'trigger' && command.overlap === 'cancel_running');
    if (job !== undefined && cancels) cancelled.set(jobKey(job.tenant, job.jobId), job);
  }
  if (cancelled.size === 0) return new Map();
  return Map.groupBy(await store.retryTimers([...cancelled.values()]), ({ tenant, jobId }) => jobKey(tenant, jobId));
}

function dueTopics(all: readonly Gathered[], inputs: readonly Input[], { jobs }: Known, topics: Topics): Set<string> {
  const found = new Set(all.flatMap(({ due }) => due.map(({ topic }) => topic)));
  for (const input of inputs) {
    if (input.kind === 'command' && input.command.type === 'schedule') found.add(dueTopicOf(topics, input.command.job));
  }
  for (const { spec } of jobs.values()) found.add(dueTopicOf(topics, spec));
  found.delete('');
  return found;
}
