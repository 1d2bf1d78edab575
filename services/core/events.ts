/**
 * Makes the records that Belfry writes: one place that knows which topic, key, partition and headers each kind has.
 * Headers are CloudEvents 1.0 in binary mode (https://github.com/cloudevents/spec, Kafka protocol binding).
 */
import type { InternalCommand } from './internal-command.ts';
import type { TerminalStatus } from './model.ts';
import { partitionOf } from './murmur2.ts';
import type { Codec } from './ports/codec.ts';
import type { RunRow } from './ports/run-store.ts';
import type { Ack, ConsumedRecord, DeadRun, DueRecord, OutgoingRecord, Outcome, Rejection } from './records.ts';
import { eventIdOf } from './run-id.ts';
import { formatInstant } from './spec/instant.ts';
import { jobKey, type Topics } from './topics.ts';

/** Set on outcomes whose job's timer must hear of the end; absent on all others, so that it can skip them unread. */
export const TRACKED_HEADER = 'belfry_tracked';
/** The `ce_source` of outcomes that timers decide. */
export const TIMER_SOURCE = '/belfry/timer';

/** The `ce_type` of an outcome. */
export const EVENT_TYPES: Record<TerminalStatus, string> = {
  COMPLETED: 'belfry.run.completed.v1',
  FAILED: 'belfry.run.failed.v1',
  CANCELLED: 'belfry.run.cancelled.v1',
  SKIPPED: 'belfry.run.skipped.v1',
};

export type DuePlace = 'anywhere' | 'usual' | 'surplus';

export class Records {
  readonly topics: Topics;
  readonly partitions: number;
  private readonly codec: Codec;
  private readonly source: string;
  private readonly duePartitions: (topic: string) => number;

  /**
   * @param duePartitions number of partitions of a due topic (it may have grown past P)
   * @param source the `ce_source` of every event, for example `/belfry/timer`
   */
  constructor(options: {
    topics: Topics;
    partitions: number;
    codec: Codec;
    source: string;
    duePartitions?: (topic: string) => number;
  }) {
    this.topics = options.topics;
    this.partitions = options.partitions;
    this.codec = options.codec;
    this.source = options.source;
    this.duePartitions = options.duePartitions ?? (() => options.partitions);
  }

  /** The partition, of P, that all of a job's commands, retries and outcomes are in. */
  partitionOf(tenant: string, jobId: string): number {
    return partitionOf(jobKey(tenant, jobId), this.partitions);
  }

  /**
   * A due record, its value ready made: firing parses nothing.
   * @param place a tenant's surplus goes to the latter half of the partitions, so that it does not stand before the usual load
   *   of others; where there are no others, every record may be anywhere
   */
  due(topic: string, tenant: string, jobId: string, value: string, place: DuePlace = 'anywhere'): OutgoingRecord {
    const key = jobKey(tenant, jobId);
    return {
      topic,
      partition: partitionAt(place, key, this.duePartitions(topic)),
      key: Buffer.from(key),
      value: Buffer.from(value),
      headers: JSON_HEADERS,
    };
  }

  retry(due: DueRecord): OutgoingRecord {
    return this.ofJob(this.topics.retry, due.tenant, due.jobId, Buffer.from(JSON.stringify(due)), JSON_HEADERS);
  }

  outcome(outcome: Outcome, tracked: boolean, traceparent: string | null = null): OutgoingRecord {
    const headers: Record<string, string> = {
      'content-type': this.codec.contentType,
      ce_specversion: '1.0',
      ce_id: outcome.eventId,
      ce_type: EVENT_TYPES[outcome.status],
      ce_source: this.source,
      ce_subject: outcome.runId,
      ce_time: formatInstant(outcome.finishedAt),
    };
    if (tracked) headers[TRACKED_HEADER] = '1';
    if (traceparent !== null) headers.traceparent = traceparent;
    return this.ofJob(this.topics.completed, outcome.tenant, outcome.jobId, this.codec.encodeOutcome(outcome), headers);
  }

  /** A command to the owner of another place: JSON, which every timer reads. */
  internal(command: InternalCommand, traceparent?: string): OutgoingRecord {
    return this.command(command.tenant, command.jobId, command, traceparent);
  }

  /** An event, as a command. Repeats are known by the event's id; that of the command is for people. */
  emit(
    emitted: { tenant: string; event: string; eventId: string; payload: unknown },
    traceparent?: string,
  ): OutgoingRecord {
    const { tenant, event, eventId } = emitted;
    return this.command(tenant, event, { type: 'emit', commandId: eventId.slice(-128), ...emitted }, traceparent);
  }

  deadRun(dead: DeadRun): OutgoingRecord {
    const headers: Record<string, string> = {
      'content-type': this.codec.contentType,
      belfry_error_code: dead.error.code,
      belfry_run_id: dead.due.runId,
    };
    return this.ofJob(this.topics.dlq, dead.due.tenant, dead.due.jobId, this.codec.encodeDeadRun(dead), headers);
  }

  ack(ack: Ack, commandKey: Buffer | null): OutgoingRecord {
    const key = commandKey ?? Buffer.from(jobKey(ack.tenant, ack.jobId));
    return {
      topic: this.topics.acks,
      partition: partitionOf(key, this.partitions),
      key,
      value: this.codec.encodeAck(ack),
      headers: { 'content-type': this.codec.contentType },
    };
  }

  /** The bytes as they came, with the reason in the headers. */
  rejected(record: ConsumedRecord, rejection: Rejection): OutgoingRecord {
    return {
      topic: this.topics.rejected,
      partition: record.partition % this.partitions,
      key: record.key,
      value: record.value,
      headers: {
        ...record.headers,
        belfry_error_code: rejection.code,
        belfry_error_message: rejection.message.slice(0, 4096),
        belfry_origin_topic: record.topic,
        belfry_origin_partition: String(record.partition),
        belfry_origin_offset: String(record.offset),
      },
    };
  }

  /** Tells the owner of `downstream` that a run of `upstream` has ended. The id is one per edge and run. */
  upstreamEnded(tenant: string, downstream: string, upstream: string, runId: string): OutgoingRecord {
    const command = { type: 'upstream', commandId: runId, tenant, jobId: downstream, upstream, runId };
    return this.command(tenant, downstream, command);
  }

  private command(tenant: string, jobId: string, command: object, traceparent?: string): OutgoingRecord {
    const headers = traceparent === undefined ? JSON_HEADERS : { ...JSON_HEADERS, traceparent };
    return this.ofJob(this.topics.commands, tenant, jobId, Buffer.from(JSON.stringify(command)), headers);
  }

  private ofJob(
    topic: string,
    tenant: string,
    jobId: string,
    value: Buffer,
    headers: Record<string, string>,
  ): OutgoingRecord {
    const key = Buffer.from(jobKey(tenant, jobId));
    return { topic, partition: partitionOf(key, this.partitions), key, value, headers };
  }
}

const JSON_HEADERS = Object.freeze({ 'content-type': 'application/json' });

/** The run of a due record as an outcome, before anything is known of how it went. */
export function outcomeOf(due: DueRecord, status: TerminalStatus, finishedAt: number, worker: string): Outcome {
  return {
    eventId: eventIdOf(due.runId, status),
    runId: due.runId,
    tenant: due.tenant,
    jobId: due.jobId,
    jobVersion: due.jobVersion,
    type: due.type,
    handler: due.handler,
    queue: due.queue,
    status,
    trigger: due.trigger,
    cause: due.cause,
    scheduledFor: due.scheduledFor,
    startedAt: null,
    finishedAt,
    attempt: due.attempt,
    worker,
    result: null,
    resultTruncated: false,
    error: null,
    reason: null,
    count: null,
    from: null,
    to: null,
    replayOf: due.replayOf,
    labels: due.labels,
  };
}

/** The stored outcome of a terminal run, as it was published the first time: the event id is the same. */
export function storedOutcome(row: RunRow, due: DueRecord): Outcome {
  return {
    ...outcomeOf(due, row.status as TerminalStatus, row.finishedAt ?? row.startedAt ?? due.dueAt, row.worker),
    startedAt: row.startedAt,
    attempt: row.attempt,
    result: row.result,
    resultTruncated: row.resultTruncated,
    error: row.error,
    reason: row.reason as Outcome['reason'],
  };
}

function partitionAt(place: DuePlace, key: string, count: number): number {
  const usual = Math.ceil(count / 2);
  if (place === 'anywhere') return partitionOf(key, count);
  return place === 'usual' || count === usual ? partitionOf(key, usual) : usual + partitionOf(key, count - usual);
}
