/**
 * Partitions beyond the job space: somebody added some to a topic, and keyed writers now spread over all of them. They
 * have no owner; whoever is assigned one passes its commands and retries on to the partition of their key, in transactions
 * that move the group's position along. Whatever is passed on twice is dropped by its id.
 */
import { partitionOf } from '../core/murmur2.ts';
import type { Records } from '../core/events.ts';
import type { ConsumedRecord, OutgoingRecord } from '../core/records.ts';
import type { Topics } from '../core/topics.ts';
import { Relay, type RelayOptions } from './relay.ts';

export type ForeignOptions = Pick<RelayOptions, 'broker' | 'clock' | 'log' | 'groupId'> & {
  records: Records;
  topics: Topics;
  partitions: number;
  prefix: string;
};

/** A transactional id per partition: a new holder of one fences the former. */
export function foreignPartitions({ records, topics, partitions, prefix, ...options }: ForeignOptions): Relay {
  return new Relay({
    ...options,
    transactionalId: ({ partition }) => `${prefix}belfry-forward-${partition}`,
    // Outcomes are news that others have already: only their offset moves.
    recordOf: (record) => (record.topic === topics.completed ? null : toOwnPartition(record, partitions)),
    rejected: (record, message) => records.rejected(record, { code: 'too_large', message }),
    isWanted: () => true,
  });
}

function toOwnPartition({ topic, key, value, headers }: ConsumedRecord, partitions: number): OutgoingRecord {
  return { topic, key, value, headers, partition: partitionOf(key ?? '', partitions) };
}
