/** An event, at a job that listens to it: it becomes a run that waits for its time, which may be now. */
import type { DeliverCommand } from '../core/internal-command.ts';
import { isOpen, type BufferedRun, type Job } from '../core/model.ts';
import { runIdOf } from '../core/run-id.ts';
import type { Applied, CommandContext } from './applied.ts';
import { noEffects } from './effects.ts';
import { waitingRun } from './waiting-run.ts';

/**
 * The run's time counts from when the emit was applied, not from now: so its id is the same for every copy of the delivery.
 * A job that was cancelled, finished or scheduled otherwise meanwhile does not listen any more.
 */
export function applyDelivery(
  job: Job | undefined,
  { event, at }: DeliverCommand,
  context: Pick<CommandContext, 'partition' | 'seen' | 'traceparent'>,
): Applied {
  if (context.seen) return { outcome: 'duplicate' };
  if (!isOpen(job)) return { outcome: 'unchanged' };
  const { schedule } = job.spec;
  if (schedule.kind !== 'on' || schedule.event !== event.name) return { outcome: 'unchanged' };
  const scheduledFor = at + schedule.waitMs;
  const isBefore = schedule.startAt !== null && scheduledFor < schedule.startAt;
  const isAfter = schedule.endAt !== null && scheduledFor >= schedule.endAt;
  if (isBefore || isAfter) return { outcome: 'unchanged' };
  const { tenant, jobId, anchorAt } = job;
  const origin = { trigger: 'event', cause: event.id, replayOf: null } as const;
  const runId = runIdOf({ tenant, jobId, trigger: 'event', cause: `${event.name} ${event.id}`, scheduledFor });
  const run: BufferedRun = { runId, scheduledFor, origin, event };
  const effects = noEffects();
  const { partition, traceparent } = context;
  effects.addTimers.push(waitingRun(job, scheduledFor, { run, anchorAt, overlap: null, traceparent }, partition));
  return { outcome: 'applied', effects };
}
