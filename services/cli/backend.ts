/**
 * What the commands reach a deployment by: its servers (`backend-direct.ts`), or its HTTP API (`backend-http.ts`). Both answer
 * alike, so no command knows which it is.
 */
import type { BelfryClient } from '../client/client.ts';
import type { RejectedCommand, RejectedPage } from '../client/rejected.ts';
import type { WebhookBook } from '../client/webhooks.ts';
import type { ApiKey, NewKey } from '../core/ports/api-keys.ts';
import type { Audit } from '../core/ports/audit.ts';
import type { Inspect, JobFilter } from '../core/ports/inspect.ts';
import type { Quotas, Tenant, Tenants } from '../core/ports/tenants.ts';
import type { JobView } from '../core/resources.ts';
import type { Why } from '../core/why/facts.ts';

/** What people look at; see `core/ports/inspect.ts`. */
export interface Reader extends Omit<
  Inspect,
  | 'system'
  | 'databaseNow'
  | 'statistics'
  | 'jobs'
  | 'job'
  | 'managedJobs'
  | 'occurred'
  | 'skippedGroup'
  | 'circumstances'
  | 'awaitedJobs'
> {
  jobs(filter: JobFilter, limit: number): Promise<JobView[]>;
  job(tenant: string, jobId: string): Promise<JobView | undefined>;
  managedJobs(name: string): Promise<JobView[]>;
}

/** A key, and its text, which is shown once. */
export type ShownKey = { text: string; key: ApiKey };

/** Keys of the HTTP API. */
export interface KeyRing {
  /** `ttlMs`: how long it works, ms; null: until it is revoked. */
  create(key: Pick<NewKey, 'tenant' | 'name' | 'scopes' | 'ttlMs'>): Promise<ShownKey>;
  /** @param tenant undefined: of all that one may see */
  list(tenant?: string): Promise<ApiKey[]>;
  /** @returns the key as it is then; undefined when there is no such one */
  revoke(prefix: string): Promise<ApiKey | undefined>;
  /** @param graceMs how long the former key works on, ms @returns undefined when there is none that works */
  rotate(former: string, graceMs: number): Promise<ShownKey | undefined>;
}

export interface Rejected {
  /** The latest first. */
  list(limit: number): Promise<RejectedPage>;
  /** @param place as the list shows it: `3-17` */
  find(place: string): Promise<RejectedCommand | undefined>;
}

/** Quotas of tenants; see `core/ports/tenants.ts`. */
export interface TenantBook extends Pick<Tenants, 'list' | 'find' | 'remove'> {
  /** As in the port. @throws BelfryError `not_found` for a queue that does not exist, whose runs would wait for ever */
  set(tenant: string, changes: Partial<Quotas>): Promise<Tenant>;
}

export interface Backend {
  /** Of whoever names none. */
  tenant(): Promise<string>;
  client(): BelfryClient;
  inspect(): Reader;
  keys(): KeyRing;
  rejected(): Rejected;
  audit(): Pick<Audit, 'list'>;
  /** @param at the scheduled time, ms; null: the latest run and what comes next */
  why(tenant: string, jobId: string, at: number | null): Promise<Why>;
  webhooks(): WebhookBook;
  tenants(): TenantBook;
}
