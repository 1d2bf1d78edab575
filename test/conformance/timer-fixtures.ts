/** Jobs, timers, runs and steps for the tests of a timer store: complete values, of which a test names what matters to it. */
import type { SystemJob } from '../../services/core/system-jobs.ts';
import type { Audit } from '../../services/core/ports/audit.ts';
import type { Rejections } from '../../services/core/ports/rejections.ts';
import type { Job, JobSpec } from '../../services/core/model.ts';
import type { EnqueuedCommandInput } from '../../services/core/ports/run-store.ts';
import type { DueRecord, Outcome } from '../../services/core/records.ts';
import type {
  DecidedRun,
  OutboxBatch,
  Ownership,
  PartitionStep,
  TimerRow,
  TimerStore,
} from '../../services/core/ports/timer-store.ts';
import { eventIdOf, runIdOf } from '../../services/core/run-id.ts';

export type TimerStoreHarness = {
  store: TimerStore;
  /** On the same database. */
  audit: Audit;
  rejections: Rejections;
  /** What people are told. */
  systemJobs: () => Promise<readonly SystemJob[]>;
  /** In a transaction of its own, committed when this resolves. */
  enqueue(command: EnqueuedCommandInput): Promise<void>;
  close(): Promise<void>;
};

export const T0 = Date.UTC(2026, 5, 1, 12);

export const SPEC: JobSpec = {
  type: 'CUSTOM',
  handler: 'send-invoice',
  payload: { invoice: 42 },
  schedule: { kind: 'at', at: T0 },
  priority: 'medium',
  queue: 'default',
  retry: { maxRetries: 3, initialDelayMs: 2_000, factor: 2, maxDelayMs: 3_600_000, jitter: 0 },
  timeoutMs: 900_000,
  overlap: 'allow',
  missed: { policy: 'once', thresholdMs: 60_000, windowMs: null, limit: 100 },
  delivery: 'at_least_once',
  labels: {},
};

let made = 0;
/** A job id that no other test has. */
export function newJobId(): string {
  made += 1;
  return `job-${made}`;
}

export function jobIn(partition: number, fields: Partial<Job> = {}): Job {
  return {
    tenant: 'default',
    jobId: newJobId(),
    partition,
    state: 'SCHEDULED',
    version: 1,
    spec: SPEC,
    cancelGen: 0,
    anchorAt: T0,
    nextAt: T0,
    nextFireAt: T0,
    runCount: 0,
    active: [],
    buffered: [],
    recentCommands: [],
    pausedAt: null,
    createdAt: T0,
    updatedAt: T0,
    ...fields,
  };
}

export function runId(jobId: string, scheduledFor = T0): string {
  return runIdOf({ tenant: 'default', jobId, trigger: 'schedule', cause: String(scheduledFor), scheduledFor });
}

export function timerIn(partition: number, fields: Partial<TimerRow> = {}): TimerRow {
  const { jobId = newJobId(), fireAt = T0 } = fields;
  return {
    partition,
    fireAt,
    runId: runId(jobId, fireAt),
    kind: 'once',
    tenant: 'default',
    jobId,
    topic: 'job.due.medium',
    due: '{"runId":"…"}',
    ...fields,
  };
}

export function dueOf(id: string, jobId: string): DueRecord {
  const { type, handler, queue, priority, payload, labels, retry, timeoutMs, delivery } = SPEC;
  return {
    ...{ type, handler, queue, priority, payload, labels, retry, timeoutMs, delivery },
    ...{ runId: id, tenant: 'default', jobId, jobVersion: 1, trigger: 'schedule', cause: String(T0), replayOf: null },
    ...{
      idempotencyKey: id,
      scheduledFor: T0,
      dueAt: T0,
      attempt: 1,
      cancelGen: 0,
      tracked: false,
      failures: [],
      traceparent: null,
    },
  };
}

export function decided(
  id: string,
  jobId: string,
  fields: Partial<Outcome> = {},
  due: DueRecord | null = null,
): DecidedRun {
  const outcome: Outcome = {
    eventId: eventIdOf(id, fields.status ?? 'SKIPPED'),
    ...{
      runId: id,
      tenant: 'default',
      jobId,
      jobVersion: 1,
      type: 'CUSTOM',
      handler: 'send-invoice',
      queue: 'default',
    },
    ...{
      status: 'SKIPPED',
      trigger: 'schedule',
      cause: String(T0),
      scheduledFor: T0,
      startedAt: null,
      finishedAt: T0 + 5,
    },
    ...{ attempt: 1, worker: 'timer', result: null, resultTruncated: false, error: null, reason: 'overlap' },
    ...{ count: null, from: null, to: null, replayOf: null, labels: {} },
    ...fields,
  };
  return { outcome, idempotencyKey: id, due };
}

export function batch(partition: number, seq: number, text = `batch ${seq}`): OutboxBatch {
  return { partition, seq, lane: 'plain', body: Buffer.from(text) };
}

/** A step without effects but those named. */
export function stepOf(
  { partition, epoch, offsets, outboxSeq }: Ownership,
  effects: Partial<PartitionStep> = {},
): PartitionStep {
  return {
    ...{ partition, epoch, offsets, nextOffsets: offsets, outboxSeq },
    ...{
      jobs: [],
      finished: [],
      addTimers: [],
      removeTimers: [],
      runs: [],
      seenCommands: [],
      replays: [],
      outbox: [],
      producedSeqs: [],
      enqueued: [],
      waits: [],
      waited: [],
      edges: [],
      arrivals: [],
      subscriptions: [],
      audit: [],
      rejected: [],
      cancelledRuns: [],
    },
    ...effects,
  };
}

/** A partition's owner, who knows its offsets after each step that was accepted. */
export class Owner {
  readonly store: TimerStore;
  ownership: Ownership;

  constructor(store: TimerStore, ownership: Ownership) {
    this.store = store;
    this.ownership = ownership;
  }

  static async take(store: TimerStore, partition: number, instance = 'timer-1'): Promise<Owner> {
    return new Owner(store, (await store.take(partition, instance)).ownership);
  }

  get partition(): number {
    return this.ownership.partition;
  }

  /** Whether the step was accepted. */
  async step(effects: Partial<PartitionStep> = {}): Promise<boolean> {
    const step = stepOf(this.ownership, effects);
    const accepted = (await this.store.step([step])).has(this.partition);
    if (accepted) this.ownership = { ...this.ownership, offsets: step.nextOffsets, outboxSeq: step.outboxSeq };
    return accepted;
  }

  async job(jobId: string) {
    return (await this.store.read([{ tenant: 'default', jobId }], [])).jobs.get(`default/${jobId}`);
  }

  timers(before = Number.MAX_SAFE_INTEGER, limit = 100): Promise<TimerRow[]> {
    return this.store.timers([this.partition], before, limit);
  }
}
