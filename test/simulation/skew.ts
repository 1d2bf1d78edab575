/**
 * Two releases side by side, as far as records show it: those of some runs come from a newer release, with a field and a header
 * that nobody here knows, those of others from the former one, without what came since. Commands of timers to each other, and
 * outcomes, are a newer release's, too.
 *
 * Invariant: what a newer release wrote stands in all later records of the run. It is the first attempt that brings it, so whoever
 * repeats that one brings the same.
 */
import type { Broker, Producer, TransactionalProducer } from '../../services/core/ports/broker.ts';
import type { OutgoingRecord } from '../../services/core/records.ts';
import type { Topics } from '../../services/core/topics.ts';
import { Random } from '../support/random.ts';
import { override } from './override.ts';

/** What no release has. */
const UNKNOWN = 'fieldOfALaterRelease';
const BETWEEN_TIMERS = new Set(['deliver', 'fanOut', 'upstream', 'notify']);
/** All that due records of the former release have. */
const FORMER_FIELDS = new Set([
  ...['runId', 'tenant', 'jobId', 'jobVersion', 'type', 'handler', 'queue', 'priority', 'payload', 'labels', 'trigger'],
  ...['cause', 'replayOf', 'idempotencyKey', 'scheduledFor', 'dueAt', 'attempt', 'retry', 'timeoutMs', 'delivery'],
  ...['cancelGen', 'concurrencyKey', 'tracked', 'failures', 'traceparent', 'upstream', 'event'],
]);

type Fields = Record<string, unknown>;
export type SkewOptions = {
  seed: number;
  topics: Topics;
  /** A record of this run, on this topic, has lost what a newer release wrote. */
  onDropped: (runId: string, topic: string) => void;
};

/** A client of the broker whose records are those of several releases. */
export function skewed(client: Broker, options: SkewOptions): Broker {
  const skew = new Skew(options);
  const all = (records: readonly OutgoingRecord[]): OutgoingRecord[] => records.map((record) => skew.of(record));
  return override(client, {
    producer: async () => {
      const producer = await client.producer();
      const send: Producer['send'] = (records) => producer.send(all(records));
      return override(producer, { send });
    },
    transactional: async (id) => {
      const producer = await client.transactional(id);
      const transact: TransactionalProducer['transact'] = (records, offsets) =>
        producer.transact(all(records), offsets);
      return override(producer, { transact });
    },
  });
}

class Skew {
  private readonly options: SkewOptions;

  constructor(options: SkewOptions) {
    this.options = options;
  }

  of(record: OutgoingRecord): OutgoingRecord {
    const { topics } = this.options;
    const { topic } = record;
    if (topic === topics.retry || topic.startsWith('job.due.')) return this.due(record);
    if (topic === topics.completed) return extended(record);
    if (topic === topics.commands && BETWEEN_TIMERS.has(String(fieldsOf(record).type))) return extended(record);
    return record;
  }

  private due(record: OutgoingRecord): OutgoingRecord {
    const { topics, seed, onDropped } = this.options;
    const due = fieldsOf(record) as Fields & { runId: string; attempt: number };
    const release = new Random(`skew ${due.runId} ${seed}`).pick(['newer', 'former', 'own']);
    const isFirst = record.topic !== topics.retry && due.attempt === 1;
    if (release === 'newer' && isFirst) return extended(record);
    if (release === 'newer' && !(UNKNOWN in due)) onDropped(due.runId, record.topic);
    if (release !== 'former' || !isFirst) return record;
    return written(record, Object.fromEntries(Object.entries(due).filter(([name]) => FORMER_FIELDS.has(name))));
  }
}

/** @returns the record as a release would read it that drops what it does not know */
export function narrowed<R extends Pick<OutgoingRecord, 'value'>>(record: R): R {
  if (record.value === null || !record.value.includes(UNKNOWN)) return record;
  const { [UNKNOWN]: _dropped, ...rest } = fieldsOf(record);
  return { ...record, value: Buffer.from(JSON.stringify(rest)) };
}

function extended(record: OutgoingRecord): OutgoingRecord {
  const more = written(record, { ...fieldsOf(record), [UNKNOWN]: { why: 'nobody knows' } });
  return { ...more, headers: { ...record.headers, belfry_later: 'yes' } };
}

function fieldsOf({ value }: Pick<OutgoingRecord, 'value'>): Fields {
  return JSON.parse(String(value)) as Fields;
}

function written(record: OutgoingRecord, fields: Fields): OutgoingRecord {
  return { ...record, value: Buffer.from(JSON.stringify(fields)) };
}
