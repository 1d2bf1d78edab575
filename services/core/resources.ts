/** Jobs, runs and outcomes as programs get them, from the HTTP API and from the CLI with `--json`: times are ISO 8601 UTC. */
import type { AuditRecord } from './ports/audit.ts';
import type { ApiKey } from './ports/api-keys.ts';
import type { DeadRunSummary, InspectedJob, RunDetail, RunSummary } from './ports/inspect.ts';
import type { ListedOccurrence } from './occurrences/listed.ts';
import type { Quotas, Tenant } from './ports/tenants.ts';
import type { Webhook } from './ports/webhooks.ts';
import type { Outcome } from './records.ts';
import { formatDuration } from './spec/duration.ts';
import { formatInstant } from './spec/instant.ts';
import { toWireJob } from './spec/to-wire.ts';
import type { SystemJob } from './system-jobs.ts';
import type { Why } from './why/facts.ts';

/** What is told of a job. */
export type JobView = Omit<
  InspectedJob,
  'nextFireAt' | 'partition' | 'cancelGen' | 'recentCommands' | 'appliedCommands' | 'active' | 'buffered'
> & {
  active: readonly { runId: string }[];
  buffered: readonly { runId: string }[];
};

/** Of a job that cannot be read, what is known of it and why: `unreadable`. */
export function jobJson(job: JobView): object {
  if (job.unreadable !== undefined) return unreadableJson(job, job.unreadable);
  const { tenant, jobId, state, version, runCount, active, buffered, pausedAt, createdAt, updatedAt } = job;
  return {
    ...{ tenant, jobId, state, version },
    nextFireAt: isoOrNull(job.nextStartAt),
    nextAt: isoOrNull(job.nextAt),
    anchorAt: formatInstant(job.anchorAt),
    runCount,
    active: active.map(({ runId }) => runId),
    buffered: buffered.map(({ runId }) => runId),
    pausedAt: isoOrNull(pausedAt),
    createdAt: formatInstant(createdAt),
    updatedAt: formatInstant(updatedAt),
    job: toWireJob(job.spec),
  };
}

function unreadableJson({ tenant, jobId, state, version, createdAt, updatedAt }: JobView, unreadable: string): object {
  const times = { createdAt: formatInstant(createdAt), updatedAt: formatInstant(updatedAt) };
  return { ...{ tenant, jobId, state, version }, ...times, unreadable };
}

export function runJson(run: RunSummary): object {
  const { scheduledFor, startedAt, finishedAt, retryAt, from, to, ...rest } = run;
  return {
    ...rest,
    priority: run.priority || null, // a skipped occurrence never stood in a queue, and its row has none
    scheduledFor: formatInstant(scheduledFor),
    startedAt: isoOrNull(startedAt),
    finishedAt: isoOrNull(finishedAt),
    retryAt: isoOrNull(retryAt),
    from: isoOrNull(from),
    to: isoOrNull(to),
  };
}

/** @param occurrence a row of a list of occurrences */
export function occurrenceJson({ at, local, excluded, dst, runId, run }: ListedOccurrence): object {
  return { at: formatInstant(at), local, excluded, dst, runId, run: run && runJson(run) };
}

export function whyJson({ tenant, jobId, now, stories }: Why): object {
  const told = stories.map(({ at, lines, ...story }) => ({
    at: isoOrNull(at),
    ...story,
    lines: lines.map((line) => ({ ...line, at: isoOrNull(line.at) })),
  }));
  return { tenant, jobId, now: formatInstant(now), stories: told };
}

export function deadRunJson(run: DeadRunSummary): object {
  return { ...runJson(run), discarded: discardJson(run) };
}

export function runDetailJson(run: RunDetail): object {
  const due = run.due && {
    ...run.due,
    scheduledFor: formatInstant(run.due.scheduledFor),
    dueAt: formatInstant(run.due.dueAt),
  };
  return { ...runJson(run), discarded: discardJson(run), due };
}

function discardJson({ discarded }: Pick<RunDetail, 'discarded'>): object | null {
  return discarded && { at: formatInstant(discarded.at), note: discarded.note };
}

export function outcomeJson(outcome: Outcome): object {
  const { scheduledFor, startedAt, finishedAt, from, to, ...rest } = outcome;
  return {
    ...rest,
    scheduledFor: formatInstant(scheduledFor),
    startedAt: isoOrNull(startedAt),
    finishedAt: formatInstant(finishedAt),
    from: isoOrNull(from),
    to: isoOrNull(to),
  };
}

export function systemJobJson({ lastRunAt, nextRunAt, changedAt, ...job }: SystemJob): object {
  const times = { lastRunAt: formatInstant(lastRunAt), nextRunAt: formatInstant(nextRunAt) };
  return { ...job, ...times, changedAt: isoOrNull(changedAt) };
}

export function auditJson({ at, ...entry }: AuditRecord): object {
  return { ...entry, at: formatInstant(at) };
}

export function keyJson(key: ApiKey): object {
  const { prefix, tenant, name, scopes, createdAt, expiresAt, revokedAt, lastUsedAt } = key;
  return {
    ...{ prefix, tenant, name, scopes },
    createdAt: formatInstant(createdAt),
    expiresAt: isoOrNull(expiresAt),
    revokedAt: isoOrNull(revokedAt),
    lastUsedAt: isoOrNull(lastUsedAt),
  };
}

export function tenantJson({ tenant, updatedAt, ...quotas }: Tenant): object {
  return { tenant, ...quotasJson(quotas), updatedAt: formatInstant(updatedAt) };
}

/** Quotas as people write them; null: none. */
export function quotasJson(quotas: Quotas): object {
  const { jobs, runsPerSecond, concurrentRuns, handlerRuns, payloadBytes, minIntervalMs, historyDays, queue } = quotas;
  const minInterval = minIntervalMs === null ? null : formatDuration(minIntervalMs);
  return { jobs, runsPerSecond, concurrentRuns, handlerRuns, payloadBytes, minInterval, historyDays, queue };
}

export function webhookJson({ createdAt, updatedAt, ...webhook }: Webhook): object {
  return { ...webhook, createdAt: formatInstant(createdAt), updatedAt: formatInstant(updatedAt) };
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : formatInstant(ms);
}
