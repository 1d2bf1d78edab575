/** What happens when a timer strikes. One-shots and retries pass as they are; every other occurrence is decided here. */
import type { Job } from '../core/model.ts';
import { decideDue, type Decided, type Decision } from '../core/occurrences/due.ts';
import { jitterFor } from '../core/occurrences/next-start.ts';
import { afterEnd, isOneShot, nextOccurrence } from '../core/occurrences/schedule.ts';
import type { TimerRow } from '../core/ports/timer-store.ts';
import type { DueRecord } from '../core/records.ts';
import { runIdOf } from '../core/run-id.ts';
import { formatInstant } from '../core/spec/instant.ts';
import { makeDue, scheduledRun } from './due-record.ts';
import { endedRun, noEffects, type DecideContext, type Effects, type EndedRun } from './effects.ts';
import { finishedIfDone, hasRunsLeft, retime, traceOf, withNextAt } from './occurrence.ts';
import { startRun } from './start-run.ts';

/** A timer whose due record is ready. */
export function fireReady(timer: TimerRow, job: Job | undefined, context: DecideContext): Effects {
  const effects = noEffects();
  const { kind, topic, tenant, jobId, runId, due } = timer;
  // No executor looks whether the job of a message was cancelled.
  if (isPutOff(timer)) {
    const message = JSON.parse(due) as DueRecord;
    if (job !== undefined && job.cancelGen > message.cancelGen) {
      effects.ended.push(cancelledMessage(message, context));
      return effects;
    }
  }
  // A retry is of a run that exists.
  if (kind === 'retry' || !context.existing.has(runId)) effects.dues.push({ topic, tenant, jobId, runId, due });
  return effects;
}

/** A message that waits for a permission: its job is to be read when it is tried again. */
export function isPutOff({ kind, topic }: TimerRow): boolean {
  return kind === 'retry' && topic === '';
}

function cancelledMessage(due: DueRecord, context: DecideContext): EndedRun {
  const error = { code: 'cancelled', message: 'the job was cancelled before the run started' };
  return { ...endedRun(due, 'CANCELLED', context, { error }), tracked: due.tracked };
}

/** The job of a one-shot whose timer struck. */
export function finishedOnce(job: Job, now: number): Job {
  return finishedIfDone({ ...job, nextAt: null, nextFireAt: null, runCount: job.runCount + 1, updatedAt: now });
}

/** Decides the occurrence whose timer struck and all later ones that came due meanwhile, and sets the next timer. */
export function fireOccurrence(job: Job, context: DecideContext): Effects {
  const effects = noEffects();
  if (job.state !== 'SCHEDULED' || job.nextAt === null) return effects;
  if (job.spec.schedule.kind === 'on') return endEvents(job, context);
  const after = carryOutAll(job, occurrencesDue({ ...job, nextAt: job.nextAt }, context.now), context, effects);
  // The timer that struck is removed by whoever fires it.
  retime(undefined, after, context.topics, effects);
  return { ...effects, job: after };
}

/** What becomes of the occurrences of a job that came due by `now`. */
export function occurrencesDue(job: Job & { nextAt: number }, now: number): Decided {
  const { schedule, missed } = job.spec;
  const { anchorAt, nextAt, runCount } = job;
  const maxRuns = isOneShot(schedule) ? null : schedule.maxRuns;
  const runsLeft = maxRuns === null ? null : maxRuns - runCount;
  return decideDue({ schedule, anchorAt, nextAt, now, missed, jitter: jitterFor(job), runsLeft });
}

/** The job after these decisions; what else they do is added to `effects`. */
export function carryOutAll(job: Job, { decisions, nextAt }: Decided, context: DecideContext, effects: Effects): Job {
  let after = job;
  for (const decision of decisions) after = carryOut(after, decision, context, effects);
  after = { ...after, updatedAt: context.now };
  return finishedIfDone(withNextAt(after, nextAtAfter(after, nextAt, decisions, context)));
}

/** The end of a job that listens to events. */
function endEvents(job: Job, context: DecideContext): Effects {
  const { buffered } = job;
  const ended = { ...withNextAt(job, null), runCount: job.runCount, updatedAt: context.now };
  return { ...noEffects(), job: buffered.length > 0 ? ended : { ...ended, state: 'FINISHED' } };
}

/** The rows and events of occurrences that get no run. */
export function skipped(job: Job, decision: Exclude<Decision, { kind: 'run' }>, context: DecideContext): EndedRun {
  const { reason } = decision;
  const options = { dueAt: context.now, traceparent: null };
  if (decision.kind === 'skip') {
    return endedRun(makeDue(job, scheduledRun(job, decision.scheduledFor), options), 'SKIPPED', context, { reason });
  }
  const { from, to, count } = decision;
  const { tenant, jobId } = job;
  // The cause tells the group from the occurrence that it begins with.
  const origin = { trigger: 'schedule', cause: `${formatInstant(from)}/${formatInstant(to)}`, replayOf: null } as const;
  const group = { runId: runIdOf({ tenant, jobId, ...origin, scheduledFor: from }), scheduledFor: from, origin };
  return endedRun(makeDue(job, group, options), 'SKIPPED', context, { reason, count, from, to });
}

function carryOut(job: Job, decision: Decision, context: DecideContext, effects: Effects): Job {
  if (decision.kind !== 'run') {
    effects.ended.push(skipped(job, decision, context));
    return job;
  }
  const { scheduledFor } = decision;
  const due = { dueAt: scheduledFor + jitterFor(job)(scheduledFor), traceparent: traceOf(job) };
  const skippedBefore = effects.ended.length;
  const after = startRun(job, scheduledRun(job, scheduledFor), job.spec.overlap, due, context, effects);
  return effects.ended.length > skippedBefore ? after : { ...after, runCount: after.runCount + 1 };
}

/** The next occurrence, where what was decided leaves it open. */
function nextAtAfter(
  job: Job,
  nextAt: number | null,
  decisions: readonly Decision[],
  { now }: DecideContext,
): number | null {
  const { schedule } = job.spec;
  if (nextAt !== null || isOneShot(schedule) || !hasRunsLeft(job)) return nextAt;
  // A fixed delay waits for the end of a run; when none was started, this decision stands for it.
  if (schedule.kind === 'fixedDelay')
    return job.active.length + job.buffered.length > 0 ? null : afterEnd(schedule, now);
  // maxRuns counts runs: an occurrence that overlap skipped was none of them.
  const last = decisions.at(-1);
  if (last === undefined || schedule.maxRuns === null) return null;
  return nextOccurrence(schedule, job.anchorAt, last.kind === 'skipGroup' ? last.to : last.scheduledFor);
}
