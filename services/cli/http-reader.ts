/** Jobs and runs as the HTTP API tells them; lists are read page by page. */
import type { HttpApi, Request } from '../client/http/api.ts';
import { MANAGED_BY } from '../core/managed.ts';
import type { Audit } from '../core/ports/audit.ts';
import type { DeadFilter, DeadRunSummary, JobFilter, RunDetail, RunFilter, RunSummary } from '../core/ports/inspect.ts';
import { auditOf, deadRunOf, jobOf, runDetailOf, runOf, systemJobOf } from '../core/read-resources.ts';
import type { JobView } from '../core/resources.ts';
import type { SystemJob } from '../core/system-jobs.ts';
import { formatInstant } from '../core/spec/instant.ts';
import type { Reader } from './backend.ts';

type Json = Readonly<Record<string, unknown>>;
type Query = NonNullable<Request['query']>;

const PAGE = 200;
/** Runs that one request settles. */
const MOST_NAMED = 1_000;

export class HttpReader implements Reader {
  private readonly api: HttpApi;
  private readonly check: (tenant: string | undefined) => Promise<void>;

  /** @param check throws when the key does not act for this tenant */
  constructor(api: HttpApi, check: (tenant: string | undefined) => Promise<void>) {
    this.api = api;
    this.check = check;
  }

  async jobs({ tenant, labels = {}, ...filter }: JobFilter, limit: number): Promise<JobView[]> {
    await this.check(tenant);
    const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    return this.list('/api/jobs', 'jobs', { ...filter, label }, limit, jobOf);
  }

  async job(tenant: string, jobId: string): Promise<JobView | undefined> {
    await this.check(tenant);
    const json = await this.api.find<Json>('GET', `/api/jobs/${encodeURIComponent(jobId)}`);
    return json && jobOf(json);
  }

  managedJobs(name: string): Promise<JobView[]> {
    return this.jobs({ labels: { [MANAGED_BY]: name } }, Infinity);
  }

  async runs({ tenant, since, until, before: cursor, ...filter }: RunFilter, limit: number): Promise<RunSummary[]> {
    await this.check(tenant);
    return this.list('/api/runs', 'runs', { ...filter, ...between({ since, until }), cursor }, limit, runOf);
  }

  async run(runId: string): Promise<RunDetail | undefined> {
    const json = await this.api.find<Json>('GET', `/api/runs/${runId}`);
    return json && runDetailOf(json);
  }

  async deadRuns(filter: DeadFilter, limit: number): Promise<DeadRunSummary[]> {
    const { tenant, since, until, before: cursor, ...rest } = filter;
    await this.check(tenant);
    return this.list('/api/dlq', 'runs', { ...rest, ...between({ since, until }), cursor }, limit, deadRunOf);
  }

  async systemJobs(): Promise<SystemJob[]> {
    return (await this.api.ask<{ jobs: Json[] }>('GET', '/api/system-jobs')).jobs.map(systemJobOf);
  }

  audit(): Pick<Audit, 'list'> {
    return {
      list: async ({ tenant, jobId: job, since: from, until: to, before, actor, action }, limit) => {
        await this.check(tenant);
        const times = { from: written(from), to: written(to) };
        const query = { job, actor, action, ...times, cursor: before?.toString() };
        return this.list('/api/audit', 'entries', query, limit, auditOf);
      },
    };
  }

  async discard(runIds: readonly string[], note: string): Promise<string[]> {
    const done: string[] = [];
    for (let at = 0; at < runIds.length; at += MOST_NAMED) {
      const body = { runIds: runIds.slice(at, at + MOST_NAMED), note };
      done.push(...(await this.api.ask<{ discarded: string[] }>('POST', '/api/dlq/discard', { body })).discarded);
    }
    return done;
  }

  private async list<T>(
    path: string,
    name: string,
    query: Query,
    limit: number,
    read: (json: Json) => T,
  ): Promise<T[]> {
    const items: T[] = [];
    for (let cursor = query.cursor; ;) {
      const left = Math.min(PAGE, limit - items.length);
      const page = await this.api.ask<Json>('GET', path, { query: { ...query, cursor, limit: left } });
      items.push(...(page[name] as Json[]).map(read));
      if (page.nextCursor === null || items.length >= limit) return items;
      cursor = page.nextCursor as string;
    }
  }
}

function between({ since, until }: { since: number | undefined; until: number | undefined }): Query {
  return { since: written(since), until: written(until) };
}

function written(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatInstant(ms);
}
