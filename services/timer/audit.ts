/** What a step tells the audit log of the commands that it applies. */
import { ACTOR_HEADER, actorOf, digestOf, specChanges, type Actor, type AuditEntry } from '../core/audit.ts';
import type { FieldChange } from '../core/field-changes.ts';
import type { Job } from '../core/model.ts';
import type { ConsumedRecord } from '../core/records.ts';
import { ENQUEUED_ORIGIN } from '../core/rejected-record.ts';
import type { Applied } from './applied.ts';
import type { JobCommand } from './apply-command.ts';

/**
 * The entry for a command that was applied; undefined where none is due: nothing changed, or a job is new and nobody says who made
 * it. That is how jobs come in bulk, and the job tells its command itself.
 */
export function auditOf(
  before: Job | undefined,
  command: JobCommand,
  applied: Extract<Applied, { outcome: 'applied' }>,
  record: ConsumedRecord,
  now: number,
): AuditEntry | undefined {
  const { type, tenant, jobId, commandId } = command;
  if (type === 'upstream') return undefined;
  const action = type === 'cancelRun' ? 'cancel' : type;
  const actor = senderOf(record);
  const after = applied.effects.job ?? before;
  if (before === undefined && action === 'schedule' && actor.id === null && actor.name === null) return undefined;
  const changes = changesOf(before, command, applied, after);
  if (action === 'schedule' && changes.length === 0) return undefined;
  return { at: now, tenant, jobId, action, actor, commandId, version: after?.version ?? null, changes };
}

function senderOf({ topic, headers }: ConsumedRecord): Actor {
  return topic === ENQUEUED_ORIGIN ? { kind: 'sql', id: null, name: null } : actorOf(headers[ACTOR_HEADER]);
}

function changesOf(
  before: Job | undefined,
  command: JobCommand,
  applied: Extract<Applied, { outcome: 'applied' }>,
  after: Job | undefined,
): FieldChange[] {
  switch (command.type) {
    case 'schedule':
      return after === undefined ? [] : [...specChanges(before?.spec, after.spec), ...stateChange(before, after)];
    case 'trigger':
      return command.hasPayload ? [{ field: 'payload', from: undefined, to: digestOf(command.payload) }] : [];
    case 'replay':
    case 'cancelRun':
      return [{ field: 'runId', from: undefined, to: command.runId }];
    case 'backfill':
      return [{ field: 'occurrences', from: undefined, to: applied.occurrences?.length ?? 0 }];
    case 'cancel':
    case 'pause':
    case 'resume':
      return stateChange(before, after);
    case 'upstream':
      return [];
  }
}

function stateChange(before: Job | undefined, after: Job | undefined): FieldChange[] {
  if (before === undefined || before.state === after?.state) return [];
  return [{ field: 'state', from: before.state, to: after?.state }];
}
