/**
 * The vocabulary of Belfry: jobs, runs, schedules, policies, as they are after validation (`spec/` makes them from what
 * users write). Times are milliseconds since the epoch (`…At`), durations are milliseconds (`…Ms`).
 * The same words stand in the database, the events, the metrics and the pages.
 */

export const PRIORITIES = ['high', 'medium', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Of jobs that users make. */
export const USER_JOB_TYPES = ['HTTP_REQUEST', 'KAFKA_MESSAGE', 'CUSTOM'] as const;
export type UserJobType = (typeof USER_JOB_TYPES)[number];
/** WEBHOOK: deliveries, which Belfry makes. */
export const JOB_TYPES = [...USER_JOB_TYPES, 'WEBHOOK'] as const;
export type JobType = (typeof JOB_TYPES)[number];

export const JOB_STATES = ['SCHEDULED', 'PAUSED', 'FINISHED', 'CANCELLED'] as const;
export type JobState = (typeof JOB_STATES)[number];

export const RUN_STATUSES = ['ENQUEUED', 'RUNNING', 'RETRYING', 'COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export const TERMINAL_STATUSES = ['COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED'] as const;
export type TerminalStatus = (typeof TERMINAL_STATUSES)[number];

/** Whether a run with this status has ended for good. */
export function isTerminal(status: string): status is TerminalStatus {
  return (TERMINAL_STATUSES as readonly string[]).includes(status);
}

export const TRIGGERS = ['schedule', 'manual', 'event', 'dependency', 'replay', 'backfill'] as const;
export type Trigger = (typeof TRIGGERS)[number];

export const OVERLAPS = ['allow', 'skip', 'buffer_one', 'buffer_all', 'cancel_running'] as const;
export type Overlap = (typeof OVERLAPS)[number];

export const SKIP_REASONS = ['overlap', 'missed', 'paused', 'excluded', 'upstream', 'quota'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Which ends of an upstream run a chain goes on from: COMPLETED, FAILED, or any. */
export const CHAIN_CONDITIONS = ['success', 'failure', 'always'] as const;
export type ChainCondition = (typeof CHAIN_CONDITIONS)[number];

/** A job whose runs another one runs after. */
export type Upstream = { jobId: string; when: ChainCondition };

export const DELIVERIES = ['at_least_once', 'at_most_once'] as const;
export type Delivery = (typeof DELIVERIES)[number];

export type RetryPolicy = {
  maxRetries: number;
  initialDelayMs: number;
  factor: number;
  maxDelayMs: number;
  /** Share of the delay, 0 to 1, by which it is shortened or lengthened at the most. */
  jitter: number;
};

/** The settings that a handler may have, too, as users write them. */
export const RUN_SETTINGS = [
  'timeout',
  'retry.maxRetries',
  'retry.initialDelay',
  'retry.factor',
  'retry.maxDelay',
  'retry.jitter',
] as const;
export type RunSetting = (typeof RUN_SETTINGS)[number];

export const MISSED_POLICIES = ['skip', 'once', 'all'] as const;

export type MissedPolicy = {
  policy: (typeof MISSED_POLICIES)[number];
  thresholdMs: number;
  /** Occurrences older than this at decision time are always skipped; null: none. */
  windowMs: number | null;
  limit: number;
};

/** At most `limit` runs of a tenant with this key run at one time, over all of its jobs and the whole deployment. */
export type ConcurrencyKey = { key: string; limit: number };

export type DstPolicy = { gap: 'shift' | 'skip'; repeat: 'once' | 'both' };

/** What bounds and thins a recurring schedule. */
export type Bounds = {
  startAt: number | null;
  endAt: number | null;
  /** Days, in the schedule's time zone, both ends included: `2026-12-24` or `2026-12-24/2026-12-27`. */
  exclude: readonly string[];
  jitterMs: number;
  maxRuns: number | null;
};

export type Schedule =
  | { kind: 'at'; at: number }
  /** `delayMs` counts from the Kafka timestamp of the command. */
  | { kind: 'in'; delayMs: number }
  | ({ kind: 'cron'; cron: string; timezone: string; dst: DstPolicy } & Bounds)
  | ({ kind: 'every'; everyMs: number; timezone: string } & Bounds)
  | ({ kind: 'fixedDelay'; delayMs: number; timezone: string } & Bounds)
  /** A chain: when a run of each upstream has ended. Of the bounds it takes startAt, endAt and maxRuns. */
  | ({ kind: 'after'; after: readonly Upstream[]; timezone: string } & Bounds)
  /** A run per event of that name whose payload passes the filter (CEL; null: all do), `waitMs` after it. */
  | ({ kind: 'on'; event: string; filter: string | null; waitMs: number; timezone: string } & Bounds);

/** A job as validated: every default is filled in. Kept as JSON in `jobs.spec`. */
export type JobSpec = {
  type: JobType;
  /** Name of the handler; the empty string for HTTP_REQUEST and KAFKA_MESSAGE. */
  handler: string;
  /** Any JSON, ≤ 256 KiB serialised. */
  payload: unknown;
  schedule: Schedule;
  priority: Priority;
  queue: string;
  retry: RetryPolicy;
  timeoutMs: number;
  /** Which settings of `timeout` and `retry` its user wrote; the others are defaults, before which those of the handler come. */
  explicit?: readonly RunSetting[];
  overlap: Overlap;
  missed: MissedPolicy;
  delivery: Delivery;
  labels: Readonly<Record<string, string>>;
  /** Absent: its runs wait for nobody. */
  concurrencyKey?: ConcurrencyKey;
};

/** An event as the handlers of its runs get it. */
export type EmittedEvent = { name: string; id: string; payload: unknown };

/** What made a run: kept on the run and in its events. */
export type Origin = { trigger: Trigger; cause: string; replayOf: string | null };

/**
 * A run that waits for a slot under `buffer_one` or `buffer_all`, in the order in which it came due.
 * `payload` is set when the trigger brought its own.
 */
export type BufferedRun = {
  runId: string;
  scheduledFor: number;
  origin: Origin;
  payload?: unknown;
  idempotencyKey?: string;
  /** Of a run with trigger `dependency`. */
  upstream?: readonly UpstreamRun[];
  /** Of a run that an event made. */
  event?: EmittedEvent;
};

/** How a run ended that another one runs after. */
export type UpstreamRun = {
  jobId: string;
  runId: string;
  status: TerminalStatus;
  /** Any JSON; absent when there is none or it was too large to come along. */
  result?: unknown;
  /** The result was cut, or left out. */
  resultTruncated?: boolean;
  error?: { code: string; message: string };
};

/** A run of the job that was decided and has no terminal outcome yet, as far as the timer knows. */
export type ActiveRun = { runId: string; since: number };

/** Where a job's command came from, for people who ask why: nothing is decided by it. */
export type AppliedCommand = {
  type: 'schedule' | 'cancel' | 'pause' | 'resume' | 'backfill';
  commandId: string;
  /** When it was applied. */
  at: number;
  /** Its offset on job.commands, in the job's partition; null: it was enqueued in a transaction of its sender's. */
  offset: string | null;
  /** Of `schedule`: since when the job has this rhythm, whatever else changed; absent: since then. */
  since?: number;
  /** Of the `schedule` of a one-shot: the sender's trace, which its run continues. */
  traceparent?: string;
};

/** A job as the timer that owns it sees it: one row of `jobs`. */
export type Job = {
  tenant: string;
  jobId: string;
  partition: number;
  state: JobState;
  /** Counts applied schedule commands; `ifVersion` compares with it. */
  version: number;
  spec: JobSpec;
  /** Raised by every cancel (and by `cancel_running`); due and retry records carry the value they were decided under. */
  cancelGen: number;
  /**
   * The instant that `every` and `fixedDelay` count from: startAt, or when the schedule was applied. Of `on` it names the schedule:
   * it grows with each that is applied anew, so that runs that wait know whether theirs still holds.
   */
  anchorAt: number;
  /** `scheduledFor` of the next undecided occurrence; null: there is none (finished, cancelled, waiting for the end of a run). */
  nextAt: number | null;
  /** When the timer of that occurrence strikes (nextAt plus jitter); null while paused. With nextAt it finds the row of `timers`. */
  nextFireAt: number | null;
  /** Occurrences that got a run since the job was last scheduled anew; compared with maxRuns. */
  runCount: number;
  active: readonly ActiveRun[];
  buffered: readonly BufferedRun[];
  /** Ids of the last 16 applied commands. */
  recentCommands: readonly string[];
  /** The last schedule command, and the last other one since then; absent of jobs that were written by a Belfry before. */
  appliedCommands?: readonly AppliedCommand[];
  pausedAt: number | null;
  /** Jobs that run after this one, if there are any: read with the job, never written with it. */
  downstreams?: readonly string[];
  createdAt: number;
  updatedAt: number;
};

/** Neither finished nor cancelled: what is to come of the job still comes. */
export function isOpen<J extends Pick<Job, 'state'>>(job: J | undefined): job is J & { state: 'SCHEDULED' | 'PAUSED' } {
  return job?.state === 'SCHEDULED' || job?.state === 'PAUSED';
}

/** Whether the timer must know the end of this job's runs: overlap control and fixed delay need it, plain one-shots do not. */
export function tracksRuns(spec: JobSpec): boolean {
  return spec.overlap !== 'allow' || spec.schedule.kind === 'fixedDelay';
}
