/** From what the HTTP API answers back to jobs, runs and outcomes: `outcomeOf(outcomeJson(outcome))` equals `outcome`. */
import { BelfryError } from './errors.ts';
import type { FieldChange } from './field-changes.ts';
import type { AuditRecord } from './ports/audit.ts';
import type { ApiKey } from './ports/api-keys.ts';
import type { DeadRunSummary, RunDetail, RunSummary } from './ports/inspect.ts';
import type { Tenant } from './ports/tenants.ts';
import type { Webhook } from './ports/webhooks.ts';
import type { Ack, Outcome } from './records.ts';
import type { JobView } from './resources.ts';
import type { SystemJob } from './system-jobs.ts';
import type { Why } from './why/facts.ts';
import { parseDuration } from './spec/duration.ts';
import { MAX_INSTANT_MS, parseInstant } from './spec/instant.ts';
import { readJobSpec } from './spec/parse-command.ts';
import { UNREADABLE_SPEC } from './spec/unreadable-spec.ts';
import { webhookSpec } from './webhook.ts';

type Json = Readonly<Record<string, unknown>>;

/** A job that cannot be read is none the less one of its list: it says so. @throws BelfryError `api_unreadable`, as all of these */
export function jobOf(json: Json): JobView {
  if (typeof json.unreadable === 'string') return unreadableJob(json, json.unreadable);
  const spec = specOf(json.job as Json);
  if ('rejection' in spec) return unreadableJob(json, `this version cannot read it: ${spec.rejection.message}`);
  const { job: _written, nextFireAt, active, buffered, ...rest } = json;
  const runs = (ids: unknown): { runId: string }[] => (ids as string[]).map((runId) => ({ runId }));
  return {
    ...rest,
    ...withTimes(json, ['anchorAt', 'createdAt', 'updatedAt'], ['nextAt', 'pausedAt']),
    nextStartAt: nextFireAt === null ? null : timeOf(json, 'nextFireAt'),
    ...{ spec, active: runs(active), buffered: runs(buffered) },
  } as unknown as JobView;
}

function unreadableJob(json: Json, unreadable: string): JobView {
  const nothing = {
    nextAt: null,
    nextStartAt: null,
    pausedAt: null,
    anchorAt: 0,
    runCount: 0,
    active: [],
    buffered: [],
  };
  return {
    ...{ tenant: json.tenant, jobId: json.jobId, state: json.state, version: json.version, ...nothing },
    ...withTimes(json, ['createdAt', 'updatedAt']),
    ...{ spec: UNREADABLE_SPEC, unreadable },
  } as unknown as JobView;
}

/** No user writes a job that delivers for a webhook: all of them are alike. */
function specOf(job: Json): ReturnType<typeof readJobSpec> {
  return job.type === 'WEBHOOK' ? webhookSpec(String(job.queue)) : readJobSpec(job);
}

export function runOf(json: Json): RunSummary {
  const times = withTimes(json, ['scheduledFor'], ['startedAt', 'finishedAt', 'retryAt', 'from', 'to']);
  return { ...json, ...times } as unknown as RunSummary;
}

export function deadRunOf(json: Json): DeadRunSummary {
  return { ...runOf(json), discarded: discardOf(json) } as DeadRunSummary;
}

export function runDetailOf(json: Json): RunDetail {
  const due = json.due as Json | null;
  const detail = { ...runOf(json), discarded: discardOf(json) };
  return { ...detail, due: due && { ...due, ...withTimes(due, ['scheduledFor', 'dueAt']) } } as RunDetail;
}

export function whyOf(json: Json): Why {
  const stories = (json.stories as Json[]).map((story) => {
    const lines = (story.lines as Json[]).map((line) => ({ ...line, ...withTimes(line, [], ['at']) }));
    return { ...story, lines, ...withTimes(story, [], ['at']) };
  });
  return { ...json, stories, ...withTimes(json, ['now']) } as unknown as Why;
}

export function outcomeOf(json: Json): Outcome {
  const times = withTimes(json, ['scheduledFor', 'finishedAt'], ['startedAt', 'from', 'to']);
  return { ...json, ...times } as unknown as Outcome;
}

export function systemJobOf(json: Json): SystemJob {
  return { ...json, ...withTimes(json, ['lastRunAt', 'nextRunAt'], ['changedAt']) } as unknown as SystemJob;
}

/** An absent side of a change is undefined. */
export function auditOf(json: Json): AuditRecord {
  const changes = (json.changes as Partial<FieldChange>[]).map(({ field = '', from, to }) => ({ field, from, to }));
  return { ...json, changes, ...withTimes(json, ['at']) } as unknown as AuditRecord;
}

export function keyOf(json: Json): ApiKey {
  return { ...json, ...withTimes(json, ['createdAt'], ['expiresAt', 'revokedAt', 'lastUsedAt']) } as unknown as ApiKey;
}

export function tenantOf({ minInterval, ...json }: Json): Tenant {
  const minIntervalMs = typeof minInterval === 'string' ? parseDuration(minInterval) : null;
  if (minIntervalMs === undefined) throw unreadable('minInterval', 'no duration');
  return { ...json, minIntervalMs, ...withTimes(json, ['updatedAt']) } as unknown as Tenant;
}

export function webhookOf(json: Json): Webhook {
  return { ...json, ...withTimes(json, ['createdAt', 'updatedAt']) } as unknown as Webhook;
}

/** The answer to a command: an ack; `accepted` when no timer answered yet; `failed` when it could not be sent. */
export type CommandAnswer = {
  commandId: string | null;
  tenant: string;
  jobId: string | null;
  outcome: Ack['outcome'] | 'accepted' | 'failed';
  error: { code: string; message: string; field?: string } | null;
  job: { state: string; version: number; nextFireAt: string | null } | null;
  matched: number | null;
  occurrences: readonly string[] | null;
};

export function ackOf({ job, occurrences, ...answer }: CommandAnswer): Ack {
  return {
    ...answer,
    job: job && { ...job, ...withTimes(job, [], ['nextFireAt']) },
    occurrences: occurrences?.map((at) => timeOf({ at }, 'at')) ?? null,
  } as Ack;
}

function discardOf({ discarded }: Json): object | null {
  return discarded === null ? null : { ...(discarded as Json), ...withTimes(discarded as Json, ['at']) };
}

function withTimes(
  json: Json,
  always: readonly string[],
  maybe: readonly string[] = [],
): Record<string, number | null> {
  const times = always.map((name) => [name, timeOf(json, name)] as const);
  const others = maybe.map((name) => [name, json[name] === null ? null : timeOf(json, name)] as const);
  return Object.fromEntries([...times, ...others]);
}

function timeOf(json: Json, name: string): number {
  const text = json[name];
  // An API of an earlier release may tell times that no calendar of ours has.
  const isBeyond = typeof text === 'string' && /^[+-]\d{6}-/.test(text);
  if (isBeyond) return text.startsWith('+') ? MAX_INSTANT_MS : 0;
  const ms = typeof text === 'string' ? parseInstant(text) : undefined;
  if (ms === undefined) throw unreadable(name, 'no time');
  return ms;
}

function unreadable(what: string, why: string): BelfryError {
  const message = `The API answered ${what} that this version cannot read (${why}): use a client of the API's version.`;
  return new BelfryError('api_unreadable', message);
}
