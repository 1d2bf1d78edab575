/**
 * Partition logs as Kafka keeps them: transaction markers take offsets, a read_committed reader stops before the first
 * open transaction and never sees what aborted.
 *
 * Invariant: an entry's index is its offset; entries are only added, and a transaction's state changes once.
 */
import type { GroupOffset } from '../../core/ports/broker.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../core/records.ts';

export type LogTransaction = {
  transactionalId: string;
  state: 'open' | 'committed' | 'aborted';
  parts: Set<PartitionLog>;
  offsets: readonly GroupOffset[];
};

export type Isolation = 'read_committed' | 'read_uncommitted';
/** `next`: behind the last entry looked at. */
export type ReadResult = { records: ConsumedRecord[]; next: bigint };

/** A marker has no record. */
type Entry = { record: ConsumedRecord | null; transaction: LogTransaction | null };

export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  private readonly entries: Entry[] = [];

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get end(): bigint {
    return BigInt(this.entries.length);
  }

  append({ key, value, headers }: OutgoingRecord, timestampMs: number, transaction: LogTransaction | null): void {
    const { topic, partition, end: offset } = this;
    transaction?.parts.add(this);
    this.entries.push({ record: { topic, partition, offset, timestampMs, key, value, headers }, transaction });
  }

  /** Writes the marker that ends a transaction here. */
  mark(): void {
    this.entries.push({ record: null, transaction: null });
  }

  /** The first offset of this time or later, the end where there is none. */
  offsetSince(timestampMs: number): bigint {
    const index = this.entries.findIndex(({ record }) => record !== null && record.timestampMs >= timestampMs);
    return index === -1 ? this.end : BigInt(index);
  }

  /** Up to `limit` entries from `from` on. */
  read(from: bigint, isolation: Isolation, limit: number): ReadResult {
    const records: ConsumedRecord[] = [];
    let next = Number(from);
    for (; next < this.entries.length && next < Number(from) + limit; next += 1) {
      const { record, transaction } = this.entries[next] as Entry;
      const committed = isolation === 'read_committed';
      if (committed && transaction?.state === 'open') break;
      if (record && !(committed && transaction?.state === 'aborted')) records.push(record);
    }
    return { records, next: BigInt(next) };
  }
}
