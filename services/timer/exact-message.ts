/**
 * KAFKA_MESSAGE runs in the exact lane. An outbox row of this lane holds due records; the message and the outcome are
 * made from them when they are produced, since only then is it known whether the topic exists and how many partitions
 * it has. Whoever produces a row makes the same runs of it, so a new owner can go on where the former one ended.
 */
import { outcomeOf } from '../core/events.ts';
import { partitionHash, partitionOf } from '../core/murmur2.ts';
import { decodeOutbox } from '../core/outbox-codec.ts';
import type { DecidedRun } from '../core/ports/timer-store.ts';
import type { DueRecord, OutgoingRecord } from '../core/records.ts';
import type { KafkaPayload } from '../core/spec/payload-kafka.ts';
import type { Emission } from './effects.ts';

const FINISHED_AT = 'belfry_finished_at';

export type ExactRun = { due: DueRecord; finishedAt: number };

/** The records of an outbox row: internal ones, never written to a topic as they stand. */
export function encodeExact(emissions: readonly Emission[], now: number): OutgoingRecord[] {
  return emissions.map(({ due }) => ({
    topic: '',
    partition: 0,
    key: null,
    value: Buffer.from(due),
    headers: { [FINISHED_AT]: String(now) },
  }));
}

export function decodeExact(body: Buffer): ExactRun[] {
  return decodeOutbox(body).map(({ value, headers }) => ({
    due: JSON.parse(value!.toString()) as DueRecord,
    finishedAt: Number(headers[FINISHED_AT]),
  }));
}

/** The topic of the message; undefined: the payload, which is somebody's, names none. */
export function targetOf({ payload }: DueRecord): string | undefined {
  const topic: unknown = (payload as { topic?: unknown } | null)?.topic;
  return typeof topic === 'string' ? topic : undefined;
}

/** @param partitions of the target topic */
export function messageOf(due: DueRecord, partitions: number): OutgoingRecord {
  const { topic, key = null, headers } = payloadOf(due);
  return {
    topic,
    partition: key === null ? partitionHash(due.runId) % partitions : partitionOf(key, partitions),
    key: key === null ? null : Buffer.from(key),
    value: valueOf(payloadOf(due)),
    headers: {
      ...headers,
      ...(due.traceparent === null ? {} : { traceparent: due.traceparent }),
      belfry_run_id: due.runId,
      'Idempotency-Key': due.idempotencyKey,
    },
  };
}

export function completedRun({ due, finishedAt }: ExactRun, worker: string): DecidedRun {
  const outcome = { ...outcomeOf(due, 'COMPLETED', finishedAt, worker), startedAt: finishedAt };
  return { outcome, idempotencyKey: due.idempotencyKey, due: null };
}

/** The payload was validated with its command; its defaults may be missing, since it is kept as it was written. */
function payloadOf(due: DueRecord): Pick<KafkaPayload, 'topic' | 'value' | 'valueBase64'> & Partial<KafkaPayload> {
  return due.payload as KafkaPayload;
}

function valueOf({ value, valueBase64 }: Pick<KafkaPayload, 'value' | 'valueBase64'>): Buffer | null {
  if (typeof valueBase64 === 'string') return Buffer.from(valueBase64, 'base64');
  if (value === undefined || value === null) return null;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}
