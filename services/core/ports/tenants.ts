/** What tenants may have and do. Implementations: `adapters/postgres`, `adapters/memory`. Errors: BelfryError `store_unavailable`. */

/** Null: no limit beyond those of the contract. */
export type Quotas = {
  /** Jobs that are SCHEDULED or PAUSED. */
  jobs: number | null;
  /** Starts of attempts by executors in any second; more wait. */
  runsPerSecond: number | null;
  /** Attempts that executors run at one time; more wait. */
  concurrentRuns: number | null;
  /** Attempts of a handler (or of a job type that is no CUSTOM) that executors run at one time, by its name; more wait. */
  handlerRuns: Readonly<Record<string, number>> | null;
  /** Of a payload, as JSON in UTF-8. */
  payloadBytes: number | null;
  /** Between two occurrences of a job, ms. */
  minIntervalMs: number | null;
  /** Ended runs are kept so long; never longer than the deployment keeps them. */
  historyDays: number | null;
  /** Where all of the tenant's runs go. */
  queue: string | null;
};

export type Tenant = Quotas & { tenant: string; /** ms */ updatedAt: number };

export const NO_QUOTAS: Quotas = Object.freeze({
  jobs: null,
  runsPerSecond: null,
  concurrentRuns: null,
  handlerRuns: null,
  payloadBytes: null,
  minIntervalMs: null,
  historyDays: null,
  queue: null,
});

export interface Tenants {
  /** Those that have quotas, by name. */
  list(): Promise<Tenant[]>;
  find(tenant: string): Promise<Tenant | undefined>;
  /** Changes what is given; null takes a quota away. Runs that wait under a changed limit obey the new one. */
  set(tenant: string, changes: Partial<Quotas>): Promise<Tenant>;
  /** Takes all quotas away. @returns whether there were any */
  remove(tenant: string): Promise<boolean>;
  /** Jobs of these tenants that are SCHEDULED or PAUSED; one without any may be missing. */
  countJobs(tenants: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Forgets ended runs that are older than their tenant's `historyDays`: a slice of them. @returns how many */
  forgetHistory(signal?: AbortSignal): Promise<number>;
}
