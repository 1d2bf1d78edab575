/** What the audit log says of a change, and of whom. Pure. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { fieldChanges, type FieldChange } from './field-changes.ts';
import type { JobSpec } from './model.ts';
import { toWireJob } from './spec/to-wire.ts';
import { storedText } from './stored-text.ts';

export const ACTOR_KINDS = ['key', 'kafka', 'sql', 'cli'] as const;
/**
 * Who did it: an API key (`id` is its prefix), a Kafka producer, a transaction that called `enqueue`, the command line beside the servers.
 * A command says so itself, in its header: whoever may write job.commands may say anything.
 */
export type Actor = { kind: (typeof ACTOR_KINDS)[number]; id: string | null; name: string | null };

export const COMMAND_ACTIONS = ['schedule', 'cancel', 'pause', 'resume', 'trigger', 'replay', 'backfill'] as const;
export const AUDIT_ACTIONS = [
  ...COMMAND_ACTIONS,
  ...(['discard', 'tenant.set', 'tenant.remove', 'key.create', 'key.rotate', 'key.revoke'] as const),
  ...(['webhook.create', 'webhook.set', 'webhook.rotate', 'webhook.remove'] as const),
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

export type AuditEntry = {
  /** ms */
  at: number;
  tenant: string;
  /** null: it is not of a job. */
  jobId: string | null;
  action: AuditAction;
  actor: Actor;
  commandId: string | null;
  /** Of the job, afterwards. */
  version: number | null;
  /** Payloads as size and hash alone. */
  changes: readonly FieldChange[];
};

/** The header of a command that says who sends it. */
export const ACTOR_HEADER = 'belfry_actor';
const MOST_TEXT = 200;
const actorText = z.string().max(1_000);
const told = z.object({ kind: z.enum(['key', 'cli']), id: actorText.nullable(), name: actorText.nullable() });

export function actorHeader(actor: Actor): Record<string, string> {
  return { [ACTOR_HEADER]: JSON.stringify(actor) };
}

/** @param header as it stands on the command; what is no actor of ours is told as it is */
export function actorOf(header: string | undefined): Actor {
  if (header === undefined) return { kind: 'kafka', id: null, name: null };
  const actor = read(header);
  return actor === undefined
    ? { kind: 'kafka', id: null, name: cut(header) }
    : { kind: actor.kind, id: cut(actor.id), name: cut(actor.name) };
}

function read(header: string): z.output<typeof told> | undefined {
  try {
    return told.safeParse(JSON.parse(header)).data;
  } catch {
    return undefined; // no JSON
  }
}

function cut<T extends string | null>(text: T): T {
  return (text === null ? null : storedText(text.slice(0, MOST_TEXT))) as T;
}

/** What a job's spec was and is, field by field. @param before undefined: the job is new */
export function specChanges(before: JobSpec | undefined, after: JobSpec): FieldChange[] {
  return fieldChanges(before === undefined ? {} : auditable(before), auditable(after));
}

function auditable(spec: JobSpec): object {
  const { payload } = spec;
  return { ...toWireJob(spec), payload: digestOf(payload) };
}

/** A payload by size (bytes of its JSON) and SHA-256: enough to tell whether it is another one. */
export function digestOf(payload: unknown): object {
  const json = JSON.stringify(payload ?? null);
  return { bytes: Buffer.byteLength(json), sha256: hash('sha256', json, 'hex') };
}
