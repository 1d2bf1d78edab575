/** The schedule command: a new job, or another version of one. */
import type { ScheduleCommand } from '../core/command.ts';
import type { Job, Schedule } from '../core/model.ts';
import { anchorOf, firstOccurrence, neverFires } from '../core/occurrences/schedule.ts';
import { sameSchedule } from '../core/spec/to-wire.ts';
import type { Applied, CommandContext } from './applied.ts';
import { dueTopicOf } from './due-record.ts';
import { noEffects } from './effects.ts';
import { newJob } from './new-job.ts';
import { retime, withNextAt } from './occurrence.ts';

/**
 * Applies a schedule command. An equal schedule keeps phase, next occurrence and run count, so that applications may
 * republish at every start; any other, and one of a cancelled job, begins anew.
 */
export function applySchedule(job: Job | undefined, command: ScheduleCommand, context: CommandContext): Applied {
  const refused = job === undefined ? refuseNew(command) : refuseExisting(job, command);
  if (refused !== undefined) return refused;
  const topic = dueTopicOf(context.topics, command.job);
  if (topic !== '' && !context.hasTopic(topic)) return noSuchQueue(command.job.queue);
  const updated = versionOf(job, command, context);
  if (job !== undefined && keepsPhase(job, command)) return store(job, updated, context);

  const { schedule } = command.job;
  if (schedule.kind === 'on') return listen(job, updated, schedule, context);
  const appliedAt = schedule.kind === 'in' ? Math.min(context.recordTimestampMs, context.now) : context.now;
  const anchorAt = schedule.kind === 'after' ? appliedAt : anchorOf(schedule, appliedAt);
  const first = firstOccurrence(schedule, anchorAt, context.now, job?.updatedAt);
  if ((first === null && schedule.kind !== 'after') || neverFires(schedule, anchorAt, context.now)) {
    return rejected('never_fires', 'the schedule has no occurrence ahead', 'job.schedule');
  }
  const state = job?.state === 'PAUSED' ? 'PAUSED' : 'SCHEDULED';
  const anew: Job = { ...updated, state, anchorAt, runCount: 0 };
  return store(job, withNextAt(anew, first), context);
}

/** An event may come at any time; what is known beforehand is the end. */
function listen(
  job: Job | undefined,
  updated: Job,
  schedule: Extract<Schedule, { kind: 'on' }>,
  context: CommandContext,
): Applied {
  if (neverFires(schedule, context.now, context.now))
    return rejected('never_fires', 'the schedule has ended', 'job.schedule');
  const anchorAt = Math.max(context.now, job === undefined ? context.now : job.anchorAt + 1);
  const state = job?.state === 'PAUSED' ? 'PAUSED' : 'SCHEDULED';
  return store(job, withNextAt({ ...updated, state, anchorAt, runCount: 0 }, schedule.endAt), context);
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

/** `in` counts from the command, so the same text means another time once the former one has passed. */
export function keepsPhase(job: Job, command: ScheduleCommand): boolean {
  if (job.state === 'CANCELLED' || !sameSchedule(job.spec.schedule, command.job.schedule)) return false;
  return job.state !== 'FINISHED' || command.job.schedule.kind !== 'in';
}

function versionOf(job: Job | undefined, command: ScheduleCommand, context: CommandContext): Job {
  if (job === undefined) return newJob(command, command.job, context);
  return { ...job, spec: command.job, version: job.version + 1, updatedAt: context.now };
}

function store(before: Job | undefined, after: Job, context: CommandContext): Applied {
  const effects = noEffects();
  retime(before, after, context.topics, effects, context.traceparent);
  return { outcome: 'applied', effects: { ...effects, job: after } };
}

function noSuchQueue(queue: string): Applied {
  const message = `there is no queue ${queue}; create it with: belfry migrate --queue ${queue}`;
  return rejected('invalid', message, 'job.queue');
}

function rejected(code: 'conflict' | 'never_fires' | 'invalid', message: string, field: string): Applied {
  return { outcome: 'rejected', rejection: { code, message, field } };
}
