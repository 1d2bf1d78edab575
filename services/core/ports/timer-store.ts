/**
 * What the timer keeps: jobs, timers, outbox, owners. Implementations: `adapters/postgres`, `adapters/memory`.
 *
 * The owner of a partition is the only writer of its jobs and timers: it may read first and decide in memory; `step`
 * then applies everything in one statement that is refused as a whole (per partition) unless the owner's epoch and the
 * offsets are still those it knew. So a zombie changes nothing, and nothing is applied twice.
 */
import type { AuditEntry } from '../audit.ts';
import type { Maintained, SystemJob } from '../system-jobs.ts';
import type { Job } from '../model.ts';
import type { Upstream } from '../model.ts';
import type { ConsumedRecord, Outcome, DueRecord, RunError } from '../records.ts';
import type { RejectedRecord } from '../rejected-record.ts';
import type { Intake } from '../topics.ts';

export type Offsets = Readonly<Record<Intake, bigint>>;

/**
 * - `once`: the occurrence of a one-shot that nobody tracks: fired without reading the job, which becomes FINISHED.
 * - `occurrence`: the next occurrence of any other job: the job is read, policies are applied.
 * - `retry`: the next attempt of a run: passed on as it is.
 * - `run`: a run that was decided and waits for its time: the job is read, policies are applied.
 */
export type TimerKind = 'once' | 'occurrence' | 'retry' | 'run';

/** One row of `timers`; (partition, fireAt, runId) is its key and its order. */
export type TimerRow = {
  partition: number;
  fireAt: number;
  runId: string;
  kind: TimerKind;
  tenant: string;
  jobId: string;
  /**
   * Where the due record goes: to executors, who wait for its time, so that it may be decided a little before. The empty
   * string for what may not: the due of a KAFKA_MESSAGE, which takes the exact lane, and a row that is no due record.
   */
  topic: string;
  /** JSON of the DueRecord, made at intake, so that firing parses nothing; empty for `occurrence`, decided from its job; of `run` the waiting run. */
  due: string;
};
export type TimerKey = Pick<TimerRow, 'partition' | 'fireAt' | 'runId'>;
export type JobRef = { tenant: string; jobId: string };

/** `plain`: produced as it is. `exact`: KAFKA_MESSAGEs and their outcomes, in a transaction of the partition's producer. */
export type OutboxLane = 'plain' | 'exact';
export type OutboxBatch = { partition: number; seq: number; lane: OutboxLane; body: Buffer };

/** A run row that the timer writes itself: skipped and cancelled occurrences, and finished KAFKA_MESSAGEs. */
export type DecidedRun = {
  outcome: Outcome;
  idempotencyKey: string;
  /** Kept for replay when FAILED. */ due: DueRecord | null;
};

export type Ownership = { partition: number; epoch: number; offsets: Offsets; outboxSeq: number };

/** A command of somebody's own transaction, committed with it and not applied yet. */
export type EnqueuedCommand = {
  partition: number;
  /** The order within the partition. */
  id: number;
  /** When it was enqueued, ms. */
  enqueuedAt: number;
  /** Of the record that it would be on job.commands. */
  key: string;
  /** JSON text. */
  command: string;
};

/**
 * A command that waits for jobs to be scheduled which it runs after, or stands behind such a one of the same job. It is decided
 * when they are there, or as things are at `until`.
 */
export type WaitingCommand = JobRef & {
  partition: number;
  /** The order within the partition. */
  seq: number;
  /** ms */
  until: number;
  /** The jobs that it waits for; none: it stands behind. */
  missing: readonly string[];
  /** As it was read. */
  record: ConsumedRecord;
};

/**
 * Calls back soon after commands of a partition were committed; what it misses, asking the store finds.
 * @returns stops it
 */
export type EnqueuedListener = (onEnqueued: (partition: number) => void) => { close(): Promise<void> };

/**
 * The end of an upstream's run, as it reached a downstream job; (tenant, jobId, runId) is its key, so that it arrives once.
 * It waits until a run of every upstream is there; then it belongs to the set that made a run.
 */
export type Arrival = JobRef & {
  /** The upstream job. */
  upstream: string;
  runId: string;
  /** `anchorAt` of the schedule that it counts for: one that begins anew waits for all of its upstreams again. */
  anchorAt: number;
  /** The downstream run of its set; null: it waits, or a later run of the same upstream took its place. */
  setId: string | null;
  superseded: boolean;
};

/** The upstreams of a job, all of them; none when it is no chain any more. */
export type Edges = JobRef & { upstreams: readonly Upstream[] };

/** All effects of one step on one partition. */
export type PartitionStep = {
  partition: number;
  epoch: number;
  /** The offsets as this owner knows them: part of the fence. */
  offsets: Offsets;
  nextOffsets: Offsets;
  outboxSeq: number;
  /** A stored job's `spec` changes only together with its `version`; the stored spec is kept otherwise. */
  jobs: readonly Job[];
  /** One-shots whose `once` timer fired: SCHEDULED becomes FINISHED, nextAt and nextFireAt null. */
  finished: readonly JobRef[];
  addTimers: readonly TimerRow[];
  removeTimers: readonly TimerKey[];
  /** Inserted unless a row with this run id exists. */
  runs: readonly DecidedRun[];
  /** Commands to remember for a day: triggers, replays, and what comes of emits. */
  seenCommands: readonly (JobRef & { commandId: string })[];
  /** Replays that were decided: the run that is repeated, and the one that repeats it. */
  replays: readonly { original: string; replay: string }[];
  outbox: readonly OutboxBatch[];
  /** Outbox rows that were produced and can go. */
  producedSeqs: readonly number[];
  /** Enqueued commands that were decided: they go with the effects that they have. */
  enqueued: readonly number[];
  /** Commands that wait from now on. */
  waits: readonly WaitingCommand[];
  /** Those that wait no longer, by `seq`. */
  waited: readonly number[];
  /** Chains that changed, each a job once. */
  edges: readonly Edges[];
  arrivals: readonly Arrival[];
  /** Jobs whose subscription changed. */
  subscriptions: readonly Subscription[];
  /** What the audit log is told, in the order in which it happened. */
  audit: readonly AuditEntry[];
  /** Runs that were cancelled by themselves: executors read it. */
  cancelledRuns: readonly string[];
  /** For the index of rejected records; read in this partition. */
  rejected: readonly RejectedRecord[];
};

/** The event that a job listens to; null: none any more. */
export type Subscription = JobRef & { event: string | null; filter: string | null };

/** Who listens to an event, in the order of job ids; `isAll`: there are no more behind them. */
export type Subscribers = { subscribers: readonly { jobId: string; filter: string | null }[]; isAll: boolean };

export type Known = {
  jobs: ReadonlyMap<string, Job>;
  /** `tenant/jobId/commandId` of those asked for that are remembered. */
  seen: ReadonlySet<string>;
};

/** A finished run, for replay and reconciliation. */
export type StoredRun = {
  runId: string;
  tenant: string;
  jobId: string;
  status: string;
  finishedAt: number | null;
  scheduledFor: number;
  idempotencyKey: string;
  /** The due record of FAILED runs. */
  due: DueRecord | null;
  result: unknown;
  resultTruncated: boolean;
  error: RunError | null;
  replayOf: string | null;
  /** Statuses of the runs that replay this one; ENQUEUED for one that was decided and has no row yet. */
  replays: readonly string[];
};

export type TimerStats = {
  /** Up to 1,000 of a partition are counted. */
  overdue: number;
  oldestOverdueAt: number | null;
  /** An estimate, of all partitions, where one of these has more than 1,000. */
  timers: number;
  outboxDepth: number;
  oldestSnapshotAgeMs: number;
};

/** A partition as its new owner finds it. */
export type Taken = { ownership: Ownership; outbox: readonly OutboxBatch[]; waiting: readonly WaitingCommand[] };

export interface TimerStore {
  /** The database's clock, ms. */
  databaseNow(): Promise<number>;
  /**
   * Raises the partition's epoch and makes `instance` its owner; waits shortly for a step under way and ends its
   * backend when it is stuck. What the former owner left unproduced comes along, in order, and what waits.
   */
  take(partition: number, instance: string): Promise<Taken>;
  /** Applies each partition's effects or refuses that partition whole; answers the partitions that were accepted.
   * Throws `step_unclear` (retryable) when it may have been applied (timeout, connection lost): take again; throws
   * `bad_data` (not retryable) when the data was refused (SQLSTATE class 22 or 23) and nothing was applied; throws
   * `EdgesRefused` when edges would close a cycle or name a job that is not there: nothing was applied. */
  step(steps: readonly PartitionStep[]): Promise<ReadonlySet<number>>;
  /**
   * Timers of these partitions with fireAt < before, each partition's first `limit` by (fireAt, runId), in that order.
   * @param exceptOf leaves out the timers of these tenants
   */
  timers(
    partitions: readonly number[],
    before: number,
    limit: number,
    exceptOf?: readonly string[],
  ): Promise<TimerRow[]>;
  /** The same, of timers of high priority alone (`isUrgent`); what stands between them costs nothing. */
  urgentTimers(partitions: readonly number[], before: number, limit: number): Promise<TimerRow[]>;
  /** The waiting retries of these jobs (kind `retry`), in order, so that a cancel can bring them forward. */
  retryTimers(jobs: readonly JobRef[]): Promise<TimerRow[]>;
  /**
   * What is known of runs of these jobs that wait: those of kind `run` whose time their id names, and the ids of those that are
   * parked.
   */
  waitingRuns(
    runs: readonly (JobRef & { partition: number; runId: string })[],
  ): Promise<{ timers: readonly TimerRow[]; parked: ReadonlySet<string> }>;
  /** Which of these runs were cancelled by themselves. */
  cancelledRuns(runIds: readonly string[]): Promise<ReadonlySet<string>>;
  read(jobs: readonly JobRef[], commands: readonly (JobRef & { commandId: string })[]): Promise<Known>;
  /** Enqueued commands of these partitions: each one's first `limit`, in order, and no more than `maxBytes` but for the first. */
  enqueued(partitions: readonly number[], limit: number, maxBytes: number): Promise<EnqueuedCommand[]>;
  /** Jobs that run after each of these, by `tenant/jobId`; none is absent. */
  downstreams(jobs: readonly JobRef[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /**
   * What is known of arrivals at these jobs: those that wait, the one of the run itself if it arrived before and, when the run
   * is a replay, the one of the run that it repeats with the rest of that one's set.
   */
  arrivals(ended: readonly (JobRef & { runId: string })[]): Promise<readonly Arrival[]>;
  /**
   * Who listens to each of these events, job ids greater than `after` only, each `limit` at the most; in the
   * order of the questions.
   */
  subscribers(
    events: readonly { tenant: string; event: string; after: string }[],
    limit: number,
  ): Promise<Subscribers[]>;
  /** How many jobs listen to each of these events, `most` at the most; in the order of the questions. */
  countListeners(events: readonly { tenant: string; event: string }[], most: number): Promise<number[]>;
  /** Runs by id, for replay and for what runs after them. */
  runs(runIds: readonly string[]): Promise<ReadonlyMap<string, StoredRun>>;
  /** Active runs of the partition's jobs, older than `before`, that have ended; `limit` at the most. */
  endedActive(
    partition: number,
    before: number,
    limit: number,
  ): Promise<{ job: JobRef; runId: string; finishedAt: number }[]>;
  stats(partitions: readonly number[]): Promise<TimerStats>;
  /** Whether there are jobs of more than one tenant. */
  isShared(): Promise<boolean>;
  /**
   * Housekeeping, safe to run anywhere at once: day partitions ahead, old history, remembered commands, finished jobs, the audit log.
   * Jobs, audit entries and arrivals go by the days of their tenant, where those are fewer; an arrival not before its run.
   * @param signal ends it at once, with a rejection: what is left is done the next time
   */
  maintain(now: number, historyMs: number, signal?: AbortSignal): Promise<Maintained>;
  /** Keeps what people are told of a system job; without a change, that of the last one stays. */
  reportSystemJob(job: Omit<SystemJob, 'changedAt'>): Promise<void>;
}
