/**
 * What a webhook is to be sent: a run of the job that delivers it, which is made when it is first needed and opened again when
 * somebody has cancelled it. So no notice depends on what a command that went astray would have made.
 */
import type { NotifyCommand } from '../core/internal-command.ts';
import { isOpen, type Job } from '../core/model.ts';
import { OUTCOME_EVENT } from '../core/own-names.ts';
import type { JobRef } from '../core/ports/timer-store.ts';
import { webhookSpec } from '../core/webhook.ts';
import type { Applied, CommandContext } from './applied.ts';
import { applyDelivery } from './apply-delivery.ts';
import { newJob } from './new-job.ts';

/** @param queue where the tenant's runs go */
export function applyNotice(
  job: Job | undefined,
  { tenant, jobId, commandId, body, at }: NotifyCommand,
  queue: string,
  context: Pick<CommandContext, 'partition' | 'seen' | 'traceparent' | 'now'>,
): Applied {
  if (context.seen) return { outcome: 'duplicate' };
  const open = opened(job, { tenant, jobId }, queue, context);
  const event = { name: OUTCOME_EVENT, id: commandId, payload: body };
  const applied = applyDelivery(open, { type: 'deliver', tenant, jobId, event, at }, context);
  return applied.outcome === 'applied' ? { ...applied, effects: { ...applied.effects, job: open } } : applied;
}

function opened(
  job: Job | undefined,
  { tenant, jobId }: JobRef,
  queue: string,
  context: Pick<CommandContext, 'partition' | 'now'>,
): Job {
  const { now } = context;
  const spec = webhookSpec(queue);
  if (job === undefined) return newJob({ tenant, jobId }, spec, context);
  if (isOpen(job)) return job.spec.queue === queue ? job : { ...job, spec, version: job.version + 1, updatedAt: now };
  // Runs that waited when it was cancelled stay cancelled.
  return { ...job, state: 'SCHEDULED', spec, anchorAt: Math.max(now, job.anchorAt + 1), updatedAt: now };
}
