/**
 * Reading for people: the CLI and the API ask here. Nothing that runs jobs depends on it.
 * Implementation: `adapters/postgres/inspect.ts`.
 *
 * Errors: BelfryError `store_unavailable` (retryable), `not_migrated`.
 */
import type { Actor } from '../audit.ts';
import type { JobState, JobType, Priority, RunStatus, Trigger, Job } from '../model.ts';
import type { DueRecord, RunError } from '../records.ts';
import type { LeaseState } from './run-store.ts';
import type { JobRef, Offsets } from './timer-store.ts';
import type { SystemJob } from '../system-jobs.ts';
import type { AwaitedJobs, Circumstances } from '../why/facts.ts';

export type JobFilter = {
  tenant?: string;
  state?: JobState;
  type?: JobType;
  priority?: Priority;
  queue?: string;
  /** The job has all of these. */
  labels?: Readonly<Record<string, string>>;
  /** Part of the id or the handler; upper and lower case of ASCII letters are one. */
  text?: string;
  /** Belfry's own, too: those that deliver for webhooks. */
  own?: boolean;
};

/** A job as people see it. */
export type InspectedJob = Job & {
  /**
   * When the next run starts; null: none is to come, it is not known yet, or the job is paused. `nextFireAt` is when its
   * timer strikes, which may be before, for occurrences that are only skipped.
   */
  nextStartAt: number | null;
  /** Why its spec cannot be read, which is `UNREADABLE_SPEC` then; absent: it can be. */
  unreadable?: string;
};

export const JOB_ORDERS = ['jobId', 'nextFireAt', 'createdAt', 'updatedAt'] as const;
/** `nextFireAt`: by when the next run starts. Jobs without a next time come last, in either direction. */
export type JobOrder = {
  by: (typeof JOB_ORDERS)[number];
  descending: boolean;
  /** The list goes on behind this job. */
  after?: Pick<InspectedJob, 'tenant' | 'jobId' | 'nextStartAt' | 'createdAt' | 'updatedAt'>;
};

export type RunFilter = {
  tenant?: string;
  jobId?: string;
  status?: RunStatus;
  /** What made the run: a commandId, for example. */
  cause?: string;
  /** By scheduled time, ms: from `since` on, before `until`. */
  since?: number;
  until?: number;
  /** The list goes on behind this run. */
  before?: string;
};

/** A run as a list shows it. */
export type RunSummary = {
  runId: string;
  tenant: string;
  jobId: string;
  jobVersion: number;
  type: JobType;
  handler: string;
  queue: string;
  priority: Priority;
  status: RunStatus;
  trigger: Trigger;
  cause: string;
  scheduledFor: number;
  startedAt: number | null;
  finishedAt: number | null;
  attempt: number;
  /** Attempts lost with their worker. */
  lost: number;
  worker: string;
  /** RETRYING: when the next attempt is due. */
  retryAt: number | null;
  error: RunError | null;
  reason: string | null;
  /** A group of skipped occurrences: how many, the first, the last. */
  count: number | null;
  from: number | null;
  to: number | null;
  replayOf: string | null;
  labels: Readonly<Record<string, string>>;
};

export type RunDetail = RunSummary & {
  idempotencyKey: string;
  result: unknown;
  resultTruncated: boolean;
  progress: unknown;
  /** FAILED: what it ran with, and its failures. */
  due: DueRecord | null;
  replays: readonly Replay[];
  discarded: Discard | null;
};

/** A run that repeats another; ENQUEUED while it has no row yet. */
export type Replay = { runId: string; status: RunStatus };
export type Discard = { at: number; note: string };

export type DeadFilter = {
  tenant?: string;
  jobId?: string;
  errorCode?: string;
  /** By the time of failing, ms: from `since` on, before `until`. */
  since?: number;
  until?: number;
  /** The list goes on behind this run. */
  before?: string;
  /** These alone. */
  runIds?: readonly string[];
  /** Also those that somebody discarded or whose replay stands for them. */
  resolved?: boolean;
  /** false: not those of Belfry's own jobs. */
  own?: boolean;
};

/**
 * A FAILED run. It is unresolved until it is discarded or a replay of it stands for it: one that is live, COMPLETED, or FAILED
 * (then that one is on the list). A CANCELLED replay has settled nothing.
 */
export type DeadRunSummary = RunSummary & {
  replays: readonly Replay[];
  discarded: Discard | null;
  resolved: boolean;
};

export type Owner = { partition: number; instance: string; epoch: number; offsets: Offsets; outboxDepth: number };

/** A timer, executor or API that said so. */
export type ServiceState = {
  kind: string;
  /** `host:pid`. */
  name: string;
  /** Version of its package. */
  release: string;
  /** Number of the last SQL file that it brings. */
  schemaVersion: number;
  /** Since it said so last. */
  ageMs: number;
};

/** Processes that were ended because their event loop was stuck, by what they were at. */
export type StallState = {
  service: string;
  partition: number | null;
  /** Null: at nothing that is known. */
  input: string | null;
  job: string | null;
  count: number;
  /** ms */
  lastAt: number;
};

/** How the deployment is doing, as the database sees it. */
export type SystemState = {
  partitions: number;
  encoding: 'json' | 'avro';
  topicPrefix: string;
  deploymentId: string;
  schemaVersion: number;
  /** Services that bring SQL files up to this number, or more, may work here. */
  oldestServices: number;
  /** Those that said so within a day; releases before 0.2 do not. */
  services: readonly ServiceState[];
  /** Topics that migrations made. */
  topics: readonly string[];
  owners: readonly Owner[];
  /** Timers whose time has passed. */
  overdue: { count: number; oldestAt: number | null };
  /** Not dead: alive, or run out and to be marked. */
  leases: readonly LeaseState[];
  parked: { handedOver: number; detached: number };
  /** Of the last seven days, the latest first. */
  stalls: readonly StallState[];
};

/** Half of the values are not above p50, and so on; null where there are none. */
export type Percentiles = { p50: number | null; p95: number | null; p99: number | null };

/** What came of the runs of a tenant that were scheduled in some time: of the latest ones, where there are very many. */
export type RunStatistics = {
  /** Runs looked at; `limited`: there are more. */
  runs: number;
  limited: boolean;
  byStatus: Readonly<Partial<Record<RunStatus, number>>>;
  /** From the scheduled time to the start, ms; of first attempts by the schedule. */
  lateness: Percentiles;
  /** From the start of the last attempt to its end, ms. */
  duration: Percentiles;
  /** The jobs that failed most. */
  failing: readonly { jobId: string; failed: number; lastError: string | null }[];
};

export interface Inspect {
  /** The database's clock, ms. */
  databaseNow(): Promise<number>;
  /** The first `limit`, by tenant and id unless told otherwise. */
  jobs(filter: JobFilter, limit: number, order?: JobOrder): Promise<InspectedJob[]>;
  job(tenant: string, jobId: string): Promise<InspectedJob | undefined>;
  /** Jobs that `belfry apply` made under this name (label `MANAGED_BY`), by tenant and id. */
  managedJobs(name: string): Promise<InspectedJob[]>;
  /** The latest `limit` by scheduled time, newest first. */
  runs(filter: RunFilter, limit: number): Promise<RunSummary[]>;
  run(runId: string): Promise<RunDetail | undefined>;
  /**
   * Runs that the schedule, events, upstreams and backfills of a job made, the oldest first: those behind the run id `after`,
   * scheduled before `until` (ms).
   */
  occurred(job: JobRef, after: string, until: number, limit: number): Promise<RunSummary[]>;
  /** The skipped occurrences of the job that share a row, `at` (ms) among them. */
  skippedGroup(job: JobRef, at: number): Promise<RunSummary | undefined>;
  /** What surrounds a run of a job, of this queue, that is scheduled for `at` (ms); undefined: there is no such job. */
  circumstances(job: JobRef, run: { runId: string; at: number; queue: string }): Promise<Circumstances | undefined>;
  /** What the first waiting command of the job waits for; undefined: none waits. */
  awaitedJobs(job: JobRef): Promise<AwaitedJobs | undefined>;
  /** The latest `limit` by scheduled time, newest first. */
  deadRuns(filter: DeadFilter, limit: number): Promise<DeadRunSummary[]>;
  /** Marks FAILED runs as settled by a person, and tells the audit log; answers those that were not marked before. */
  discard(runIds: readonly string[], note: string, actor: Actor): Promise<string[]>;
  /** @param since @param until scheduled times, ms: from the one on, before the other */
  statistics(tenant: string, since: number, until: number): Promise<RunStatistics>;
  system(): Promise<SystemState>;
  /** What Belfry does for itself by the clock, by name. */
  systemJobs(): Promise<SystemJob[]>;
}
