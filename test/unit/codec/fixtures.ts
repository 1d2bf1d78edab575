import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Ack, DeadRun, DueRecord, Outcome } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { openAvroCodec } from '../../../services/adapters/codec/avro-codec.ts';
import type { AvroType, Registry } from '../../../services/adapters/codec/registry.ts';

type Avsc = { Type: { forSchema(schema: unknown): AvroType } };
// The registry's client brings avsc along; Belfry itself never imports it.
const ofClient = createRequire(createRequire(import.meta.url).resolve('@kafkajs/confluent-schema-registry'));
export const avsc = ofClient('avsc') as Avsc;

export type AvroField = { name: string; type: unknown; default?: unknown };
export type AvroRecord = { type: 'record'; name: string; fields: AvroField[] };

export function schemaOf(name: string): AvroRecord {
  return JSON.parse(readFileSync(new URL(`../../../schemas/${name}.avsc`, import.meta.url), 'utf8')) as AvroRecord;
}

const NAMES = ['command', 'run-outcome', 'dead-run', 'command-ack'] as const;
const topics = topicsOf('');

/** A registry in memory that has our own schemas under the ids 1 to 4, and these under 5 and up. */
export function memoryRegistry(foreign: readonly unknown[] = []): Registry {
  const types = [...NAMES.map(schemaOf), ...foreign].map((schema) => avsc.Type.forSchema(schema));
  const registry: Pick<Registry, 'own' | 'byId'> = {
    own: async (name) => {
      const index = NAMES.findIndex((known) => known === name);
      return { id: index + 1, type: types[index]! };
    },
    byId: async (id) => {
      const type = types[id - 1];
      if (type === undefined) throw new BelfryError('schema_missing', `no schema ${id}`);
      return type;
    },
  };
  return registry as Registry;
}

export const avroCodec = (registry = memoryRegistry()) => openAvroCodec(registry, topics);

/** Bytes as a foreign writer frames them. */
export function framed(id: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(id, 1);
  return Buffer.concat([header, body]);
}

const at = Date.UTC(2026, 0, 1, 9, 0, 0, 123);
export const error = { code: 'handler_error', message: 'no luck' };

export const due: DueRecord = {
  runId: '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
  tenant: 'acme',
  jobId: 'invoice-42',
  jobVersion: 3,
  type: 'CUSTOM',
  handler: 'send-invoice',
  queue: 'default',
  priority: 'high',
  payload: { invoice: 42, deep: [null, { ü: 1.5 }] },
  labels: { team: 'billing' },
  trigger: 'schedule',
  cause: '2026-01-01T09:00:00.000Z',
  replayOf: null,
  idempotencyKey: '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55',
  scheduledFor: at,
  dueAt: at + 2_000,
  attempt: 4,
  retry: { maxRetries: 3, initialDelayMs: 2_000, factor: 2, maxDelayMs: 3_600_000, jitter: 0.1 },
  timeoutMs: 900_000,
  delivery: 'at_least_once',
  cancelGen: 0,
  tracked: true,
  failures: [],
  traceparent: null,
};

/** An outcome with all that is optional. */
export const fullOutcome: Outcome = {
  eventId: 'e-1',
  runId: due.runId,
  tenant: 'acme',
  jobId: 'invoice-42',
  jobVersion: 3,
  type: 'CUSTOM',
  handler: 'send-invoice',
  queue: 'default',
  status: 'FAILED',
  trigger: 'replay',
  cause: 'command-1',
  scheduledFor: at,
  startedAt: at + 1,
  finishedAt: at + 2,
  attempt: 4,
  worker: 'executor-1',
  result: { sent: true, list: [1, null, 'ü'] },
  resultTruncated: true,
  error,
  reason: 'overlap',
  count: 2 ** 40,
  from: at,
  to: at + 60_000,
  replayOf: due.runId,
  labels: { team: 'billing', 'a/b': '' },
};

/** An outcome without all that is optional. */
export const bareOutcome: Outcome = {
  ...fullOutcome,
  handler: '',
  startedAt: null,
  result: null,
  resultTruncated: false,
  error: null,
  reason: null,
  count: null,
  from: null,
  to: null,
  replayOf: null,
  labels: {},
};

export const fullAck: Ack = {
  commandId: 'c-1',
  type: 'schedule',
  tenant: 'acme',
  jobId: 'invoice-42',
  outcome: 'rejected',
  error: { code: 'invalid', message: 'job.timeout must be a duration', field: 'job.timeout' },
  job: { state: 'SCHEDULED', version: 3, nextFireAt: at },
  matched: 1,
  occurrences: [at],
};

export const bareAck: Ack = {
  ...fullAck,
  type: null,
  outcome: 'applied',
  error: null,
  job: null,
  matched: null,
  occurrences: null,
};

const failure = { attempt: 1, startedAt: at, finishedAt: at + 5, worker: 'executor-1', error };

export const fullDeadRun: DeadRun = {
  due: { ...due, replayOf: due.runId, concurrencyKey: { key: 'customer-42', limit: 2 } },
  error,
  failures: [failure, { ...failure, attempt: 2, startedAt: null }],
  originTopic: 'job.due.high',
  originPartition: 7,
  originOffset: '9007199254740993',
};

export const bareDeadRun: DeadRun = {
  ...fullDeadRun,
  due,
  failures: [],
  originTopic: null,
  originPartition: null,
  originOffset: null,
};
