/**
 * kafkajs may fetch from a position of its own around a rebalance: a batch then begins past the expected record, and its reader
 * must notice. Only where the reader knows what it expects: a partition that begins at the committed position is placed by
 * the broker adapter, which does not let the first batch begin elsewhere.
 */
import type { Broker, FetchedBatch, TopicPartition } from '../../services/core/ports/broker.ts';
import { override } from './override.ts';
import type { Process } from './process.ts';

export function jumping(client: Broker, process: Process): Broker {
  const group: Broker['group'] = (options, listener) => {
    /** Where nothing has been read yet. */
    const fresh = new Set<string>();
    return client.group(
      options,
      override(listener, {
        position: (tp) => {
          const position = listener.position(tp);
          if (position === 'committed') fresh.add(keyOf(tp));
          return position;
        },
        onBatch: (batch) => {
          const isFresh = fresh.delete(keyOf(batch));
          if (isFresh || !process.isJumping || process.random.chance(0.5)) return listener.onBatch(batch);
          // A single record is passed over altogether: the next batch shows the gap.
          if (batch.records.length > 1) listener.onBatch(begunLate(batch, process));
        },
      }),
    );
  };
  return override(client, { group });
}

function begunLate(batch: FetchedBatch, process: Process): FetchedBatch {
  const records = batch.records.slice(process.random.int(1, batch.records.length - 1));
  return { ...batch, records, fetchedOffset: records[0]!.offset };
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition}/${topic}`;
}
