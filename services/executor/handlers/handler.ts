/** What a handler is, and what it gets: the interface between the executor and the code that does a job's work. */
import type { ClientBase } from 'pg';
import {
  DELIVERIES,
  JOB_TYPES,
  type EmittedEvent,
  type RetryPolicy,
  type Trigger,
  type UpstreamRun,
} from '../../core/model.ts';
import type { Log } from '../../core/ports/log.ts';
import type { DueRecord } from '../../core/records.ts';
import type { JobInput } from '../../core/spec/input.ts';

export type ScheduleWithin = {
  ifExists?: 'replace' | 'keep' | 'reject';
  /** Default: of the run's idempotency key and the number of the call, so that a handler should schedule in the same order each time. */
  commandId?: string;
};

/** Given to a handler's `run`, once per attempt. */
export type HandlerContext<Payload = unknown> = {
  readonly runId: string;
  readonly tenant: string;
  readonly jobId: string;
  /** The occurrence's nominal time; jitter, retries and delays do not move it. */
  readonly scheduledFor: Date;
  /** From 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly trigger: Trigger;
  /**
   * Of a run with trigger `dependency`: the runs that it comes after, in the order of the schedule's `after`, each with its
   * `result` (absent, with `resultTruncated`, where it is larger than its share of 256 KiB). Otherwise empty.
   */
  readonly upstream: readonly UpstreamRun[];
  /** As `validate` answered it. */
  readonly payload: Payload;
  readonly labels: Readonly<Record<string, string>>;
  /** The same through all attempts and replays: send it along with every effect outside PostgreSQL. */
  readonly idempotencyKey: string;
  readonly traceparent: string | null;
  /** The event that made the run, of a job with `schedule: { on }`; `payload` stays the job's own. Null: none did. */
  readonly event: EmittedEvent | null;
  /** Aborted on timeout, cancel, lost lease and shutdown; `signal.reason` is a BelfryError whose `code` tells which. */
  readonly signal: AbortSignal;
  readonly logger: Log;
  /** Shown to people while the run goes on; only the latest is kept. @param fraction 0 to 1 */
  progress(fraction: number, note?: string): void;
  /**
   * Commits the handler's own writes and the run's outcome together: exactly once. `fn`'s value is the run's result. It
   * is the handler's last act, 30 s at most; what is thrown afterwards is logged and changes nothing.
   * @throws BelfryError `lease_lost` when another executor has taken the run over; everything is rolled back
   */
  transaction<T>(fn: (client: ClientBase) => Promise<T>): Promise<T>;
  /**
   * Creates or replaces a job of the same tenant, once for all attempts of the run. Within `transaction` it is scheduled if that
   * commits; elsewhere it is certain to be when this resolves. Milliseconds later it is applied.
   * @throws BelfryError `invalid` for a job that no timer would take, `attempt_over` once the run has ended
   */
  schedule(jobId: string, job: JobInput, options?: ScheduleWithin): Promise<void>;
};

export type Validation = { ok: true; value: unknown } | { ok: false; message: string };

export type Handler = {
  /** Checks, and may convert, the payload. A refusal fails the run as `payload_invalid`, without retry. */
  validate?(payload: unknown): Validation | Promise<Validation>;
  /** For jobs that say none. */
  timeoutMs?: number;
  /** Each setting for jobs that do not say it. */
  retry?: Partial<RetryPolicy>;
  /** Runs of this handler at once in one executor, at most. */
  concurrency?: number;
  /**
   * Does the work. Its value (JSON, ≤ 64 KiB, ≤ 1,000 levels) is the run's result. What it throws fails the attempt; on the thrown value,
   * `retryable: false` ends the run at once, and `retryAfterMs` is the least time that the next attempt waits (36,525 days at most).
   */
  run(ctx: HandlerContext): unknown;
};

/** By handler name; those of HTTP_REQUEST and WEBHOOK jobs stand under these. */
export type HandlerRegistry = ReadonlyMap<string, Handler>;

/**
 * The name under which a run's handler stands in the registry, in leases and in parked rows.
 *
 * A newer release may have written a job type or a delivery that this one does not know: nobody here runs it by guess. It has a
 * name of its own, so it is handed over and waits as the run of an unknown handler does. A release that adds such a word
 * registers this name too, as long as executors of the release before may hand such runs over. On a trigger or a priority that
 * is new nothing depends here.
 */
export function handlerOf({ type, handler, delivery }: DueRecord): string {
  if (!isKnown(JOB_TYPES, type)) return `type:${String(type)}`;
  if (!isKnown(DELIVERIES, delivery)) return `delivery:${String(delivery)}`;
  return type === 'CUSTOM' ? handler : type;
}

const isKnown = (words: readonly string[], word: string): boolean => words.includes(word);
