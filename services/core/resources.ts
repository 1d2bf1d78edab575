/** Jobs, runs and outcomes as programs get them, from the HTTP API and from the CLI with `--json`: times are ISO 8601 UTC. */
import type { Job } from './model.ts';
import type { ApiKey } from './ports/api-keys.ts';
import type { DeadRunSummary, RunDetail, RunSummary } from './ports/inspect.ts';
import type { Tenant } from './ports/tenants.ts';
import type { Outcome } from './records.ts';
import { formatDuration } from './spec/duration.ts';
import { formatInstant } from './spec/instant.ts';
import { toWireJob } from './spec/to-wire.ts';

/** What is told of a job. */
export type JobView = Omit<Job, 'partition' | 'cancelGen' | 'recentCommands' | 'active' | 'buffered'> & {
  active: readonly { runId: string }[];
  buffered: readonly { runId: string }[];
};

export function jobJson(job: JobView): object {
  const { tenant, jobId, state, version, runCount, active, buffered, pausedAt, createdAt, updatedAt } = job;
  return {
    ...{ tenant, jobId, state, version },
    nextFireAt: isoOrNull(job.nextFireAt),
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

export function tenantJson({ minIntervalMs, updatedAt, ...tenant }: Tenant): object {
  const minInterval = minIntervalMs === null ? null : formatDuration(minIntervalMs);
  return { ...tenant, minInterval, updatedAt: formatInstant(updatedAt) };
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : formatInstant(ms);
}
