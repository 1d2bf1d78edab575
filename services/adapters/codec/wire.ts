/**
 * Public records as they travel: flat, times as ISO 8601 text, and what is null left out. JSON carries `result` and
 * `payload` as they are; Avro carries them as JSON text. Nothing else differs.
 */
import type { Ack, DeadRun, DueRecord, Failure, Outcome, Rejection } from '../../core/records.ts';
import { formatDuration } from '../../core/spec/duration.ts';
import { formatInstant, parseInstant } from '../../core/spec/instant.ts';

/** Free JSON, on its way out and back. */
export type FreeJson = { pack(value: unknown): unknown; unpack(value: unknown): unknown };
export const asIs: FreeJson = { pack: (value) => value, unpack: (value) => value };
export const asText: FreeJson = {
  pack: (value) => JSON.stringify(value ?? null),
  unpack: (value) => JSON.parse(value as string) as unknown,
};

type Wire = Record<string, unknown>;

const time = (ms: number | null): string | null => (ms === null ? null : formatInstant(ms));
const ms = (text: unknown): number => parseInstant(text as string) ?? Number.NaN;
const msOrNull = (text: unknown): number | null => (text === undefined || text === null ? null : ms(text));

/** Null means absent. A copy: an object that loses fields is slow to read from then on. */
function withoutNulls(fields: Wire): Wire {
  const kept: Wire = {};
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value !== null && value !== undefined) kept[name] = value;
  }
  return kept;
}

export function outcomeToWire(outcome: Outcome, json: FreeJson): Wire {
  return withoutNulls({
    ...outcome,
    scheduledFor: time(outcome.scheduledFor),
    startedAt: time(outcome.startedAt),
    finishedAt: time(outcome.finishedAt),
    from: time(outcome.from),
    to: time(outcome.to),
    result: outcome.result === null || outcome.result === undefined ? null : json.pack(outcome.result),
    resultTruncated: outcome.resultTruncated ? true : null,
  });
}

export function outcomeFromWire(wire: Wire, json: FreeJson): Outcome {
  const orNull = <T>(name: string): T | null => (wire[name] ?? null) as T | null;
  return {
    ...(wire as unknown as Outcome),
    scheduledFor: ms(wire.scheduledFor),
    startedAt: msOrNull(wire.startedAt),
    finishedAt: ms(wire.finishedAt),
    from: msOrNull(wire.from),
    to: msOrNull(wire.to),
    result: wire.result === undefined || wire.result === null ? null : json.unpack(wire.result),
    resultTruncated: wire.resultTruncated === true,
    error: orNull('error'),
    reason: orNull('reason'),
    count: orNull('count'),
    replayOf: orNull('replayOf'),
    labels: wire.labels as Outcome['labels'],
  };
}

export function deadRunToWire({ due, error, failures, ...origin }: DeadRun, json: FreeJson): Wire {
  return withoutNulls({ ...dueToWire(due, json), error, failures: failures.map(failureToWire), ...origin });
}

function dueToWire(due: DueRecord, json: FreeJson): Wire {
  const { initialDelayMs, maxDelayMs, ...retry } = due.retry;
  const {
    runId,
    tenant,
    jobId,
    jobVersion,
    type,
    handler,
    queue,
    priority,
    labels,
    trigger,
    cause,
    replayOf,
    idempotencyKey,
    attempt,
    delivery,
    concurrencyKey,
  } = due;
  return {
    runId,
    tenant,
    jobId,
    jobVersion,
    type,
    handler,
    queue,
    priority,
    payload: json.pack(due.payload),
    labels,
    trigger,
    cause,
    replayOf,
    idempotencyKey,
    scheduledFor: time(due.scheduledFor),
    dueAt: time(due.dueAt),
    attempt,
    retry: { ...retry, initialDelay: formatDuration(initialDelayMs), maxDelay: formatDuration(maxDelayMs) },
    timeout: formatDuration(due.timeoutMs),
    delivery,
    concurrencyKey,
  };
}

function failureToWire(failure: Failure): Wire {
  return withoutNulls({ ...failure, startedAt: time(failure.startedAt), finishedAt: time(failure.finishedAt) });
}

export function ackToWire(ack: Ack): Wire {
  return withoutNulls({
    ...ack,
    job: ack.job === null ? null : withoutNulls({ ...ack.job, nextFireAt: time(ack.job.nextFireAt) }),
    occurrences: ack.occurrences?.map(formatInstant) ?? null,
  });
}

export function ackFromWire(wire: Wire): Ack {
  const job = (wire.job ?? null) as { state: string; version: number; nextFireAt?: string } | null;
  return {
    ...(wire as unknown as Ack),
    type: (wire.type ?? null) as string | null,
    error: wire.error ? (withoutNulls({ ...wire.error }) as Rejection) : null,
    job: job === null ? null : { ...job, nextFireAt: msOrNull(job.nextFireAt) },
    matched: (wire.matched ?? null) as number | null,
    occurrences: (wire.occurrences as string[] | null | undefined)?.map(ms) ?? null,
  };
}
