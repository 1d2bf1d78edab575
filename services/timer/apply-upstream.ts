/**
 * Chains: the end of an upstream's run reaches a job that runs after it.
 *
 * Invariant: an end arrives once, since an arrival has the key (job, upstream run) and is kept as long as the history; a set
 * of arrivals that is complete makes one occurrence, whose id is derived from them. The race that this closes: whoever crashes
 * between hearing of an end and knowing that the downstream heard of it tells it again.
 */
import type { UpstreamCommand } from '../core/command.ts';
import { isOpen, isTerminal, type BufferedRun, type ChainCondition, type Job, type Schedule } from '../core/model.ts';
import type { Arrival, StoredRun } from '../core/ports/timer-store.ts';
import { runIdOf } from '../core/run-id.ts';
import { upstreamRuns } from '../core/upstream-runs.ts';
import { rejected, type Applied, type CommandContext } from './applied.ts';
import { makeDue } from './due-record.ts';
import { endedRun, noEffects, type Effects } from './effects.ts';
import { finishedIfDone } from './occurrence.ts';
import { startRun } from './start-run.ts';

type Chain = Extract<Schedule, { kind: 'after' }>;
type Ended = StoredRun & { finishedAt: number };

/**
 * Takes the end of a run into the job that runs after it, and decides the occurrence when that was the last one it waited for.
 * Of two runs of one upstream that come before the others are there, the one that ended later counts, whichever is heard of
 * first: the outcome of a run may wait long for its publication. The end of a replay takes the place of the run that it
 * repeats: a set that had come to its decision is decided once more, with the replay in it.
 */
export function applyUpstream(job: Job | undefined, command: UpstreamCommand, context: CommandContext): Applied {
  const run = context.runs.get(command.runId);
  if (run === undefined || run.tenant !== command.tenant || run.jobId !== command.upstream || !hasEnded(run)) {
    return rejected('unknown_run', `${command.upstream} has no run ${command.runId} that has ended`);
  }
  if (!isOpen(job)) return { outcome: 'unchanged' };
  const { schedule } = job.spec;
  if (schedule.kind !== 'after' || !schedule.after.some(({ jobId }) => jobId === run.jobId)) {
    return { outcome: 'unchanged' };
  }
  if (context.arrivals.some(({ runId }) => runId === run.runId)) return { outcome: 'duplicate' };
  const { startAt, endAt } = schedule;
  if (startAt !== null && run.finishedAt < startAt) return { outcome: 'unchanged' };
  if (endAt !== null && run.finishedAt >= endAt) return over(job, context);
  return { outcome: 'applied', effects: arrive(job, schedule, run, context) };
}

function arrive(job: Job, schedule: Chain, run: Ended, context: CommandContext): Effects {
  const effects = noEffects();
  const { tenant, jobId, anchorAt } = job;
  const { others, replaced, isOutdated } = companions(job, run, context);
  const arrival = { tenant, jobId, upstream: run.jobId, runId: run.runId, anchorAt, setId: null, superseded: false };
  if (isOutdated) {
    effects.arrivals.push({ ...arrival, superseded: true });
    return effects;
  }
  const members = new Map([...others, arrival].map((member) => [member.upstream, member]));
  const set = schedule.after.flatMap(({ jobId: upstream }) => members.get(upstream) ?? []);
  effects.arrivals.push(...replaced.map((former) => ({ ...former, superseded: true })));
  if (set.length < schedule.after.length) {
    effects.arrivals.push(arrival);
    return effects;
  }
  const ended = set.map(({ runId }) => context.runs.get(runId) as Ended);
  const next = dependencyRun(job, ended);
  effects.arrivals.push(...set.map((member) => ({ ...member, setId: next.runId })));
  return { ...effects, job: decideSet(job, schedule, next, ended, context, effects) };
}

/** `isOutdated`: a later run of its upstream waits. */
type Companions = { others: Arrival[]; replaced: Arrival[]; isOutdated: boolean };

/** The other members of the set that a run belongs to, and those whose place it takes. */
function companions({ anchorAt }: Job, run: Ended, { arrivals, runs }: CommandContext): Companions {
  const { jobId, replayOf } = run;
  const current = arrivals.filter((arrival) => arrival.anchorAt === anchorAt && runs.has(arrival.runId));
  const original = current.find(({ runId }) => runId === replayOf);
  if (original !== undefined && original.setId !== null) {
    const { setId } = original;
    const others = current.filter((arrival) => arrival !== original && arrival.setId === setId);
    return { others, replaced: [], isOutdated: false };
  }
  const waiting = current.filter(({ setId, superseded }) => setId === null && !superseded);
  const same = waiting.filter(({ upstream }) => upstream === jobId);
  return {
    others: waiting.filter(({ upstream }) => upstream !== jobId),
    replaced: same,
    isOutdated: same.some(({ runId }) => endedAfter(runs.get(runId)!, run)),
  };
}

/** Of two that ended in the same millisecond (SKIPPED ones do), that of the later occurrence is the later one. */
function endedAfter(one: StoredRun, other: StoredRun): boolean {
  if (one.finishedAt !== other.finishedAt) return (one.finishedAt ?? 0) > (other.finishedAt ?? 0);
  return one.runId > other.runId;
}

function decideSet(
  job: Job,
  schedule: Chain,
  run: BufferedRun,
  ended: readonly Ended[],
  context: CommandContext,
  effects: Effects,
): Job {
  const due = { dueAt: Math.max(context.now, run.scheduledFor), traceparent: null };
  const wanted = schedule.after.every(({ when }, index) => matches(when, ended[index]!.status));
  if (!wanted || job.state === 'PAUSED') {
    const reason = wanted ? 'paused' : 'upstream';
    effects.ended.push(endedRun(makeDue(job, run, due), 'SKIPPED', context, { reason }));
    return job;
  }
  const after = startRun(job, run, job.spec.overlap, due, context, effects);
  if (effects.ended.length > 0) return after;
  return finishedIfDone({ ...after, runCount: after.runCount + 1, updatedAt: context.now });
}

/** The run of a complete set: always the same one. It is scheduled for the moment at which the last upstream ended. */
function dependencyRun({ tenant, jobId }: Job, ended: readonly Ended[]): BufferedRun {
  const cause = ended.map(({ runId }) => runId).join(',');
  const origin = { trigger: 'dependency', cause, replayOf: null } as const;
  const scheduledFor = Math.max(...ended.map(({ finishedAt }) => finishedAt));
  const runId = runIdOf({ tenant, jobId, ...origin, scheduledFor });
  return { runId, scheduledFor, origin, upstream: upstreamRuns(ended) };
}

function matches(when: ChainCondition, status: string): boolean {
  return when === 'always' || status === (when === 'success' ? 'COMPLETED' : 'FAILED');
}

function hasEnded(run: StoredRun): run is Ended {
  return run.finishedAt !== null && isTerminal(run.status);
}

/** Nothing comes any more at or after the schedule's end. */
function over(job: Job, { now }: CommandContext): Applied {
  return {
    outcome: 'applied',
    effects: { ...noEffects(), job: { ...job, state: 'FINISHED', pausedAt: null, updatedAt: now } },
  };
}
