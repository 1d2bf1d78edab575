/**
 * The records that travel on Belfry's own topics. `DueRecord` is internal JSON; the public ones
 * (`Outcome`, `DeadRun`, `Ack`) are encoded by the codec (JSON or Avro) chosen at migration.
 */
import type {
  ConcurrencyKey,
  Delivery,
  EmittedEvent,
  JobType,
  Overlap,
  Priority,
  RetryPolicy,
  RunSetting,
  SkipReason,
  TerminalStatus,
  Trigger,
  UpstreamRun,
} from './model.ts';

export type RunError = { code: string; message: string };
export type Failure = {
  attempt: number;
  startedAt: number | null;
  finishedAt: number;
  worker: string;
  error: RunError;
};

/** All that an executor needs to run one attempt: the value of `job.due.*`, and of `job.retry` for the next attempt. */
export type DueRecord = {
  runId: string;
  tenant: string;
  jobId: string;
  jobVersion: number;
  type: JobType;
  handler: string;
  queue: string;
  priority: Priority;
  payload: unknown;
  labels: Readonly<Record<string, string>>;
  trigger: Trigger;
  cause: string;
  replayOf: string | null;
  /** The first run's id, through all attempts and replays. */
  idempotencyKey: string;
  scheduledFor: number;
  /** When the timer of this attempt strikes: never started before it. */
  dueAt: number;
  /** From 1. */
  attempt: number;
  retry: RetryPolicy;
  timeoutMs: number;
  /** As in `JobSpec`. */
  explicit?: readonly RunSetting[];
  delivery: Delivery;
  cancelGen: number;
  /** With whom it shares a limit. */
  concurrencyKey?: ConcurrencyKey;
  /** Whether the timer must hear of the end of this run (overlap control, fixed delay, a chain). */
  tracked: boolean;
  failures: readonly Failure[];
  traceparent: string | null;
  /** Of a run with trigger `dependency`: what it runs after, in the order of `after`. */
  upstream?: readonly UpstreamRun[];
  /** Of a run that an event made. */
  event?: EmittedEvent;
};

/** The terminal outcome of a run (or of a group of skipped occurrences): the value of `job.completed`. Times here are ms; codecs write ISO 8601. */
export type Outcome = {
  eventId: string;
  runId: string;
  tenant: string;
  jobId: string;
  jobVersion: number;
  type: JobType;
  handler: string;
  queue: string;
  status: TerminalStatus;
  trigger: Trigger;
  cause: string;
  scheduledFor: number;
  startedAt: number | null;
  finishedAt: number;
  attempt: number;
  worker: string;
  result: unknown;
  resultTruncated: boolean;
  error: RunError | null;
  reason: SkipReason | null;
  /** A group of skipped occurrences: how many (null: too dear to count), and the first and last of them. */
  count: number | null;
  from: number | null;
  to: number | null;
  replayOf: string | null;
  labels: Readonly<Record<string, string>>;
};

/** The value of `job.dlq`. Origin: where the due record was read, null when it was not read from Kafka (a parked run). */
export type DeadRun = {
  due: DueRecord;
  error: RunError;
  failures: readonly Failure[];
  originTopic: string | null;
  originPartition: number | null;
  originOffset: string | null;
};

export const COMMAND_TYPES = [
  'schedule',
  'cancel',
  'pause',
  'resume',
  'trigger',
  'replay',
  'emit',
  'backfill',
] as const;
export type CommandType = (typeof COMMAND_TYPES)[number];

export const REJECTION_CODES = [
  'unreadable',
  'invalid',
  'too_large',
  'key_mismatch',
  'unknown_job',
  'unknown_run',
  'conflict',
  'never_fires',
  'cycle',
  'quota',
  'not_permitted',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];
/** Why a command was refused: a value, never thrown inside the timer. */
export type Rejection = { code: RejectionCode; message: string; field?: string };

export type Ack = {
  commandId: string;
  /** Of the command; null where it could not be read, or a timer of the release before answers. */
  type?: string | null;
  tenant: string;
  jobId: string;
  outcome: 'applied' | 'unchanged' | 'duplicate' | 'rejected';
  error: Rejection | null;
  job: { state: string; version: number; nextFireAt: number | null } | null;
  /** Of an emit: how many jobs listen to the event and let it pass. Of a backfill: how many runs it makes. */
  matched: number | null;
  /** Of a backfill: the occurrences that are run. */
  occurrences: readonly number[] | null;
};

/** What `trigger` may bring along. */
export type TriggerOptions = { payload?: unknown; overlap?: Overlap };

/** A record as it stands on a Kafka topic; header values are text, `key` and `value` may be missing (tombstones). */
export type RawRecord = {
  key: Buffer | null;
  value: Buffer | null;
  headers: Readonly<Record<string, string>>;
};

/** A record as read. */
export type ConsumedRecord = RawRecord & { topic: string; partition: number; offset: bigint; timestampMs: number };

/** A record to write, with its partition chosen already. */
export type OutgoingRecord = RawRecord & { topic: string; partition: number };
