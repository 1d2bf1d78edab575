/** Commands that make a run at once: trigger and replay. Both are remembered by id for a day at least. */
import type { ReplayCommand, TriggerCommand } from '../core/command.ts';
import type { BufferedRun, Job } from '../core/model.ts';
import type { DueRecord, Rejection } from '../core/records.ts';
import { runIdOf } from '../core/run-id.ts';
import { checkPayload } from '../core/spec/payload.ts';
import { contentOf, isContent, triggeredPayload } from '../core/spec/trigger-payload.ts';
import type { Applied, CommandContext } from './applied.ts';
import { emissionOf, mustHear } from './due-record.ts';
import { noEffects } from './effects.ts';
import { retime } from './occurrence.ts';
import { startRun } from './start-run.ts';

/** Statuses of a replay that forbid another one. */
const REPLAYED = new Set(['ENQUEUED', 'RUNNING', 'RETRYING', 'COMPLETED']);

/** Runs the job now, beside its schedule. The run obeys the job's overlap policy unless the trigger brings its own. */
export function applyTrigger(job: Job | undefined, command: TriggerCommand, context: CommandContext): Applied {
  if (context.seen) return { outcome: 'duplicate' };
  if (job === undefined) return rejected('unknown_job', 'there is no such job');
  if (job.state === 'CANCELLED') return rejected('conflict', 'the job is CANCELLED: no run of it starts');
  const rejection = command.hasPayload ? refusalOf(job, command, context) : undefined;
  if (rejection !== undefined) return { outcome: 'rejected', rejection };
  const effects = noEffects();
  const due = { dueAt: context.now, traceparent: context.traceparent };
  const overlap = command.overlap ?? job.spec.overlap;
  const after = startRun(job, triggeredRun(job, command, context.now), overlap, due, context, effects);
  // It cancels what was active, not what is still to come: a one-shot's timer holds the generation.
  if (after.cancelGen !== job.cancelGen) retime(job, after, context.topics, effects);
  return { outcome: 'applied', effects: { ...effects, job: { ...after, updatedAt: context.now } } };
}

/** Why the payload of a trigger is not taken. */
function refusalOf({ spec }: Job, { payload }: TriggerCommand, context: CommandContext): Rejection | undefined {
  if (!context.isRunOnly || isContent(spec.type, payload))
    return checkPayload(spec.type, triggeredPayload(spec, payload), context.spec, ['payload']);
  const fields = contentOf(spec.type);
  const allowed = fields.length === 0 ? 'nothing' : `only ${fields.join(' or ')}`;
  const message = `a key without the scope write may bring ${allowed} to a job of type ${spec.type}`;
  return { code: 'not_permitted', message, field: 'payload' };
}

function triggeredRun(
  { tenant, jobId, spec }: Job,
  { commandId, hasPayload, payload }: TriggerCommand,
  now: number,
): BufferedRun {
  const origin = { trigger: 'manual', cause: commandId, replayOf: null } as const;
  const runId = runIdOf({ tenant, jobId, ...origin, scheduledFor: now });
  return { runId, scheduledFor: now, origin, ...(hasPayload ? { payload: triggeredPayload(spec, payload) } : {}) };
}

/**
 * Runs a dead run again, as it was: with its payload and its idempotency key, also when the job has changed or is gone.
 * It waits for nobody: who replays has decided that it is to run now.
 */
export function applyReplay(job: Job | undefined, command: ReplayCommand, context: CommandContext): Applied {
  if (context.seen) return { outcome: 'duplicate' };
  const { stored } = context;
  if (stored === undefined || stored.tenant !== command.tenant || stored.jobId !== command.jobId) {
    return rejected('unknown_run', 'this job has no such run', 'runId');
  }
  if (stored.status !== 'FAILED' || stored.due === null) {
    return rejected('unknown_run', `the run is ${stored.status}; only a FAILED run can be replayed`, 'runId');
  }
  if (!command.force && stored.replays.some((status) => REPLAYED.has(status))) {
    return rejected(
      'conflict',
      'the run has a live or completed replay; "force": true replays it all the same',
      'runId',
    );
  }
  const effects = noEffects();
  const due = replayOf(stored.due, job, command, context);
  effects.dues.push(emissionOf(context.topics, due));
  effects.replays.push({ original: stored.runId, replay: due.runId });
  if (job === undefined || !due.tracked) return { outcome: 'applied', effects };
  const active = [...job.active, { runId: due.runId, since: context.now }];
  return { outcome: 'applied', effects: { ...effects, job: { ...job, active, updatedAt: context.now } } };
}

function replayOf(
  original: DueRecord,
  job: Job | undefined,
  command: ReplayCommand,
  context: CommandContext,
): DueRecord {
  const { tenant, jobId, scheduledFor } = original;
  const origin = { trigger: 'replay', cause: command.commandId, replayOf: original.runId } as const;
  return {
    ...original,
    ...origin,
    runId: runIdOf({ tenant, jobId, ...origin, scheduledFor }),
    dueAt: context.now,
    attempt: 1,
    cancelGen: job?.cancelGen ?? 0,
    tracked: job !== undefined && mustHear(job),
    failures: [],
    traceparent: context.traceparent,
  };
}

function rejected(code: Rejection['code'], message: string, field?: string): Applied {
  return { outcome: 'rejected', rejection: { code, message, ...(field === undefined ? {} : { field }) } };
}
