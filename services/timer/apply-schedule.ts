/** The schedule command: a new job, or another version of one. */
import type { ScheduleCommand } from '../core/command.ts';
import type { Job, Schedule } from '../core/model.ts';
import { anchorOf, firstOccurrence, isOneShot, neverFires } from '../core/occurrences/schedule.ts';
import { sameRhythm, sameSchedule } from '../core/spec/to-wire.ts';
import type { Applied, CommandContext } from './applied.ts';
import { dueTopicOf, scheduledRun } from './due-record.ts';
import { noEffects, type Effects } from './effects.ts';
import { newJob } from './new-job.ts';
import { finishedIfDone, retime, withNextAt } from './occurrence.ts';
import { decidePassed } from './passed.ts';
import { continued } from './same-rhythm.ts';

/**
 * Applies a schedule command. One of the same rhythm keeps phase, next occurrence and run count, so that applications may
 * republish at every start; any other, and one of a cancelled job, begins anew. What came due before is decided first.
 */
export function applySchedule(job: Job | undefined, command: ScheduleCommand, context: CommandContext): Applied {
  const refused = job === undefined ? refuseNew(command) : refuseExisting(job, command);
  if (refused !== undefined) return refused;
  const topic = dueTopicOf(context.topics, command.job);
  if (topic !== '' && !context.hasTopic(topic)) return noSuchQueue(command.job.queue);
  const effects = noEffects();
  const settled = job && settle(job, command, context, effects);
  const updated = versionOf(settled, command, context);
  const after =
    settled !== undefined && keepsPhase(settled, command)
      ? continued(settled, updated, context.now)
      : begun(settled, updated, context);
  if (after === undefined) return rejected('never_fires', 'the schedule has no occurrence ahead', 'job.schedule');
  retime(job, after, context.topics, effects, context.traceparent);
  return { outcome: 'applied', effects: { ...effects, job: after } };
}

/** While a job is paused, an equal schedule leaves what passed to its resume. */
function settle(job: Job, command: ScheduleCommand, context: CommandContext, effects: Effects): Job {
  const waits = job.state === 'PAUSED' && sameSchedule(job.spec.schedule, command.job.schedule);
  return waits ? job : decidePassed(job, context, effects);
}

/** The job under a schedule that begins now; undefined: it would never run. */
function begun(job: Job | undefined, updated: Job, context: CommandContext): Job | undefined {
  const { schedule } = updated.spec;
  const state = job?.state === 'PAUSED' ? 'PAUSED' : 'SCHEDULED';
  const anchorAt = anchorUnder(schedule, job, context);
  const anew: Job = { ...updated, state, anchorAt, runCount: 0 };
  if (neverFires(schedule, anchorAt, context.now)) return undefined;
  if (schedule.kind === 'on') return withNextAt(anew, schedule.endAt);
  if (schedule.kind === 'after' || waitsForRun(anew, context.now)) return withNextAt(anew, null);
  const first = firstOccurrence(schedule, anchorAt, context.now, job?.updatedAt);
  if (first === null) return undefined;
  return hadItsRun(anew, first, context) ? finishedIfDone(withNextAt(anew, null)) : withNextAt(anew, first);
}

function anchorUnder(schedule: Schedule, job: Job | undefined, { now, recordTimestampMs }: CommandContext): number {
  if (schedule.kind === 'in') return Math.min(recordTimestampMs, now);
  if (schedule.kind === 'after') return now;
  if (schedule.kind === 'on') return Math.max(now, job === undefined ? now : job.anchorAt + 1);
  return anchorOf(schedule, now);
}

/** A fixed delay counts from the end of a run: of the one under way, if there is one. */
function waitsForRun({ spec: { schedule }, active, buffered }: Job, now: number): boolean {
  if (schedule.kind !== 'fixedDelay' || (schedule.startAt !== null && schedule.startAt > now)) return false;
  return active.length + buffered.length > 0;
}

/** The one occurrence of a one-shot that came back to a time of which it has a run, or a row that says why not. */
function hadItsRun(job: Job, first: number, { existing }: CommandContext): boolean {
  if (!isOneShot(job.spec.schedule)) return false;
  const { runId } = scheduledRun(job, first);
  return existing.has(runId) || job.active.some((run) => run.runId === runId);
}

function refuseNew({ ifVersion }: ScheduleCommand): Applied | undefined {
  return ifVersion === null
    ? undefined
    : rejected('conflict', `there is no such job, so no version ${ifVersion}`, 'ifVersion');
}

function refuseExisting(job: Job, { ifExists, ifVersion }: ScheduleCommand): Applied | undefined {
  if (ifExists === 'keep') return { outcome: 'unchanged' };
  if (ifExists === 'reject') return rejected('conflict', 'the job exists already', 'ifExists');
  if (ifVersion === null || ifVersion === job.version) return undefined;
  return rejected('conflict', `the job is at version ${job.version}, not ${ifVersion}`, 'ifVersion');
}

/** Whether the job goes on in its rhythm. */
export function keepsPhase(job: Job, command: ScheduleCommand): boolean {
  return job.state !== 'CANCELLED' && sameRhythm(job.spec.schedule, command.job.schedule);
}

function versionOf(job: Job | undefined, command: ScheduleCommand, context: CommandContext): Job {
  if (job === undefined) return newJob(command, command.job, context);
  return { ...job, spec: command.job, version: job.version + 1, updatedAt: context.now };
}

function noSuchQueue(queue: string): Applied {
  const message = `there is no queue ${queue}; create it with: belfry migrate --queue ${queue}`;
  return rejected('invalid', message, 'job.queue');
}

function rejected(code: 'conflict' | 'never_fires' | 'invalid', message: string, field: string): Applied {
  return { outcome: 'rejected', rejection: { code, message, field } };
}
