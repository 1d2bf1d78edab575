/**
 * What a step writes, by column: the parameters of the SQL function `step` (schemas/sql/001-timer.sql), whose names are
 * those of the groups and columns here.
 */
import type { AuditEntry } from '../../core/audit.ts';
import type { Job, Upstream } from '../../core/model.ts';
import { encodeOutbox } from '../../core/outbox-codec.ts';
import type { RejectedRecord } from '../../core/rejected-record.ts';
import { tracksRuns } from '../../core/model.ts';
import { nextStartAt } from '../../core/occurrences/next-start.ts';
import type {
  Arrival,
  DecidedRun,
  JobRef,
  OutboxBatch,
  PartitionStep,
  Subscription,
  TimerKey,
  TimerRow,
  WaitingCommand,
} from '../../core/ports/timer-store.ts';
import { boolArray, byteaArray, int4Array, int8Array, textArray, uuidArray } from './arrays.ts';

/** Columns of `Row`, each an encoder of its array. */
export type Columns<Row> = Readonly<Record<string, (rows: readonly Row[]) => Buffer>>;

function column<Row, T>(
  array: (values: readonly (T | null)[]) => Buffer,
  value: (row: Row) => T | null,
): (rows: readonly Row[]) => Buffer {
  return (rows) => array(rows.map(value));
}

export type InPartition<T> = T & { partition: number };

export const OWNER_COLUMNS: Columns<PartitionStep> = {
  owner_partition: column(int4Array, (step) => step.partition),
  owner_epoch: column(int8Array, (step) => step.epoch),
  known_commands: column(int8Array, (step) => step.offsets.commands),
  known_retry: column(int8Array, (step) => step.offsets.retry),
  known_completed: column(int8Array, (step) => step.offsets.completed),
  next_commands: column(int8Array, (step) => step.nextOffsets.commands),
  next_retry: column(int8Array, (step) => step.nextOffsets.retry),
  next_completed: column(int8Array, (step) => step.nextOffsets.completed),
  next_outbox_seq: column(int8Array, (step) => step.outboxSeq),
};

export const PRODUCED_COLUMNS: Columns<{ partition: number; seq: number }> = {
  partition: column(int4Array, (produced) => produced.partition),
  seq: column(int8Array, (produced) => produced.seq),
};

export const REMOVED_COLUMNS: Columns<TimerKey> = {
  partition: column(int4Array, (key) => key.partition),
  fire_at: column(int8Array, (key) => key.fireAt),
  run_id: column(uuidArray, (key) => key.runId),
};

export const FINISHED_COLUMNS: Columns<InPartition<JobRef>> = {
  partition: column(int4Array, (job) => job.partition),
  tenant: column(textArray, (job) => job.tenant),
  job_id: column(textArray, (job) => job.jobId),
};

export const JOB_COLUMNS: Columns<Job> = {
  tenant: column(textArray, (job) => job.tenant),
  job_id: column(textArray, (job) => job.jobId),
  partition: column(int4Array, (job) => job.partition),
  state: column(textArray, (job) => job.state),
  version: column(int4Array, (job) => job.version),
  spec: column(textArray, (job) => JSON.stringify(job.spec)),
  cancel_gen: column(int4Array, (job) => job.cancelGen),
  anchor_at: column(int8Array, (job) => job.anchorAt),
  next_at: column(int8Array, (job) => job.nextAt),
  next_fire_at: column(int8Array, (job) => job.nextFireAt),
  run_count: column(int8Array, (job) => job.runCount),
  tracked: column(boolArray, (job) => tracksRuns(job.spec) || job.active.length > 0),
  active: column(textArray, (job) => JSON.stringify(job.active)),
  buffered: column(textArray, (job) => JSON.stringify(job.buffered)),
  // Ids, and behind them where the last ones came from: no column of its own, which every fire would write.
  recent_commands: column(textArray, (job) => JSON.stringify([...job.recentCommands, ...(job.appliedCommands ?? [])])),
  paused_at: column(int8Array, (job) => job.pausedAt),
  created_at: column(int8Array, (job) => job.createdAt),
  updated_at: column(int8Array, (job) => job.updatedAt),
};

/** Jobs whose next run starts otherwise than their timer strikes. */
export const NEXT_START_COLUMNS: Columns<Job> = {
  partition: column(int4Array, (job) => job.partition),
  tenant: column(textArray, (job) => job.tenant),
  job_id: column(textArray, (job) => job.jobId),
  start_at: column(int8Array, nextStartAt),
  fire_at: column(int8Array, (job) => job.nextFireAt),
};

export const TIMER_COLUMNS: Columns<TimerRow> = {
  partition: column(int4Array, (timer) => timer.partition),
  fire_at: column(int8Array, (timer) => timer.fireAt),
  run_id: column(uuidArray, (timer) => timer.runId),
  kind: column(textArray, (timer) => timer.kind),
  tenant: column(textArray, (timer) => timer.tenant),
  job_id: column(textArray, (timer) => timer.jobId),
  topic: column(textArray, (timer) => timer.topic),
  due: column(textArray, (timer) => timer.due),
};

export const RUN_COLUMNS: Columns<InPartition<DecidedRun>> = {
  partition: column(int4Array, (run) => run.partition),
  run_id: column(uuidArray, ({ outcome }) => outcome.runId),
  tenant: column(textArray, ({ outcome }) => outcome.tenant),
  job_id: column(textArray, ({ outcome }) => outcome.jobId),
  job_version: column(int4Array, ({ outcome }) => outcome.jobVersion),
  type: column(textArray, ({ outcome }) => outcome.type),
  handler: column(textArray, ({ outcome }) => outcome.handler),
  queue: column(textArray, ({ outcome }) => outcome.queue),
  priority: column(textArray, (run) => run.due?.priority ?? ''),
  status: column(textArray, ({ outcome }) => outcome.status),
  trigger: column(textArray, ({ outcome }) => outcome.trigger),
  cause: column(textArray, ({ outcome }) => outcome.cause),
  scheduled_for: column(int8Array, ({ outcome }) => outcome.scheduledFor),
  started_at: column(int8Array, ({ outcome }) => outcome.startedAt),
  finished_at: column(int8Array, ({ outcome }) => outcome.finishedAt),
  attempt: column(int4Array, ({ outcome }) => outcome.attempt),
  worker: column(textArray, ({ outcome }) => outcome.worker),
  result: column(textArray, ({ outcome }) => (outcome.result === null ? null : JSON.stringify(outcome.result))),
  result_truncated: column(boolArray, ({ outcome }) => outcome.resultTruncated),
  error_code: column(textArray, ({ outcome }) => outcome.error?.code ?? null),
  // Foreign text: what a text column cannot hold must not make its run unstorable.
  error_message: column(textArray, ({ outcome }) => outcome.error?.message.replaceAll('\u0000', '\ufffd') ?? null),
  reason: column(textArray, ({ outcome }) => outcome.reason),
  count: column(int8Array, ({ outcome }) => outcome.count),
  from_at: column(int8Array, ({ outcome }) => outcome.from),
  to_at: column(int8Array, ({ outcome }) => outcome.to),
  replay_of: column(uuidArray, ({ outcome }) => outcome.replayOf),
  idempotency_key: column(uuidArray, (run) => run.idempotencyKey),
  labels: column(textArray, ({ outcome }) => JSON.stringify(outcome.labels)),
  due: column(textArray, (run) => (run.due === null ? null : JSON.stringify(run.due))),
};

export const OUTBOX_COLUMNS: Columns<OutboxBatch> = {
  partition: column(int4Array, (batch) => batch.partition),
  seq: column(int8Array, (batch) => batch.seq),
  lane: column(textArray, (batch) => batch.lane),
  body: column(byteaArray, (batch) => batch.body),
};

export const SEEN_COLUMNS: Columns<InPartition<JobRef & { commandId: string }>> = {
  ...FINISHED_COLUMNS,
  command_id: column(textArray, (command) => command.commandId),
};

export const ENQUEUED_COLUMNS: Columns<{ partition: number; id: number }> = {
  partition: column(int4Array, (command) => command.partition),
  id: column(int8Array, (command) => command.id),
};

export const WAITING_COLUMNS: Columns<WaitingCommand> = {
  partition: column(int4Array, (command) => command.partition),
  seq: column(int8Array, (command) => command.seq),
  tenant: column(textArray, (command) => command.tenant),
  job_id: column(textArray, (command) => command.jobId),
  until: column(int8Array, (command) => command.until),
  missing: column(textArray, (command) => JSON.stringify(command.missing)),
  origin: column(int8Array, (command) => command.record.offset),
  sent_at: column(int8Array, (command) => command.record.timestampMs),
  body: column(byteaArray, (command) => encodeOutbox([command.record])),
};

export const WAITED_COLUMNS: Columns<{ partition: number; seq: number }> = {
  partition: column(int4Array, (command) => command.partition),
  seq: column(int8Array, (command) => command.seq),
};

export const SUBSCRIPTION_COLUMNS: Columns<InPartition<Subscription>> = {
  ...FINISHED_COLUMNS,
  event: column(textArray, (subscription) => subscription.event),
  filter: column(textArray, (subscription) => subscription.filter),
};

export const REPLAY_COLUMNS: Columns<InPartition<{ original: string; replay: string }>> = {
  partition: column(int4Array, (pair) => pair.partition),
  original: column(uuidArray, (pair) => pair.original),
  replay: column(uuidArray, (pair) => pair.replay),
};

/** An edge of a job that runs after another. */
export type Edge = InPartition<JobRef & { upstream: Upstream }>;

export const EDGE_COLUMNS: Columns<Edge> = {
  partition: column(int4Array, (edge) => edge.partition),
  tenant: column(textArray, (edge) => edge.tenant),
  upstream: column(textArray, (edge) => edge.upstream.jobId),
  downstream: column(textArray, (edge) => edge.jobId),
  when: column(textArray, (edge) => edge.upstream.when),
};

export const ARRIVAL_COLUMNS: Columns<InPartition<Arrival>> = {
  ...FINISHED_COLUMNS,
  run_id: column(uuidArray, (arrival) => arrival.runId),
  upstream: column(textArray, (arrival) => arrival.upstream),
  anchor_at: column(int8Array, (arrival) => arrival.anchorAt),
  set_id: column(uuidArray, (arrival) => arrival.setId),
  superseded: column(boolArray, (arrival) => arrival.superseded),
};

/** `order`: within the step. */
export type Audited = InPartition<AuditEntry> & { order: number };

export const AUDIT_COLUMNS: Columns<Audited> = {
  partition: column(int4Array, (entry) => entry.partition),
  at: column(int8Array, (entry) => entry.at),
  tenant: column(textArray, (entry) => entry.tenant),
  job_id: column(textArray, (entry) => entry.jobId),
  action: column(textArray, (entry) => entry.action),
  actor_kind: column(textArray, (entry) => entry.actor.kind),
  actor_id: column(textArray, (entry) => entry.actor.id),
  actor_name: column(textArray, (entry) => entry.actor.name),
  command_id: column(textArray, (entry) => entry.commandId),
  version: column(int4Array, (entry) => entry.version),
  changes: column(textArray, (entry) => JSON.stringify(entry.changes)),
};

export const CANCELLED_COLUMNS: Columns<{ partition: number; runId: string }> = {
  partition: column(int4Array, (cancelled) => cancelled.partition),
  run_id: column(uuidArray, (cancelled) => cancelled.runId),
};

/** Of the SQL function `index_rejected`; the partition is the one that its record was read in. */
export const REJECTED_COLUMNS: Columns<RejectedRecord> = {
  partition: column(int4Array, (rejected) => rejected.partition),
  topic: column(textArray, (rejected) => rejected.topic),
  offset: column(int8Array, (rejected) => rejected.offset),
  tenant: column(textArray, (rejected) => rejected.tenant ?? ''),
  job_id: column(textArray, (rejected) => rejected.jobId),
  command_id: column(textArray, (rejected) => rejected.commandId),
  code: column(textArray, (rejected) => rejected.code),
  message: column(textArray, (rejected) => rejected.message),
  at: column(int8Array, (rejected) => rejected.at),
  key: column(byteaArray, (rejected) => rejected.key),
  size: column(int4Array, (rejected) => rejected.size),
  excerpt: column(byteaArray, (rejected) => rejected.excerpt),
};
