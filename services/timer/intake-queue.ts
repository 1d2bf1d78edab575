/**
 * Records of one partition of one topic that wait for a step.
 *
 * Invariant: `expected` is the offset behind everything in the queue, and nothing between the stored offset and it is
 * missing: a batch that begins later is refused, and what lies before it in a batch was seen already. kafkajs may fetch
 * from a position of its own around a rebalance; without this check records would be lost or applied twice.
 */
import type { FetchedBatch } from '../core/ports/broker.ts';
import type { ConsumedRecord } from '../core/records.ts';
import type { Input } from './inputs.ts';

/** `after` is the next offset once this item is applied. An item without a record only moves the offset. */
export type IntakeItem = { record: ConsumedRecord | null; input: Input | null; after: bigint; bytes: number };
export type ReadItem = IntakeItem & ({ record: null } | { record: ConsumedRecord; input: Input });

export class IntakeQueue {
  expected: bigint;
  paused = false;
  private items: IntakeItem[] = [];
  private heldRecords = 0;
  private heldBytes = 0;

  constructor(expected: bigint) {
    this.expected = expected;
  }

  get length(): number {
    return this.heldRecords;
  }

  get bytes(): number {
    return this.heldBytes;
  }

  /**
   * @param isWanted records that it refuses are passed over unread
   * @returns false when records are missing before the batch: the caller seeks back to `expected`
   */
  accept(batch: FetchedBatch, isWanted: (record: ConsumedRecord) => boolean): boolean {
    if (batch.fetchedOffset > this.expected) return false;
    for (const record of batch.records) {
      if (record.offset < this.expected || !isWanted(record)) continue;
      const bytes = (record.value?.length ?? 0) + 200;
      this.items.push({ record, input: null, after: record.offset + 1n, bytes });
      this.heldRecords++;
      this.heldBytes += bytes;
    }
    if (batch.nextOffset > this.expected) this.moveTo(batch.nextOffset);
    return true;
  }

  /** The next record that has not been read. */
  unread(): IntakeItem | undefined {
    return this.items.find(({ record, input }) => record !== null && input === null);
  }

  /** Items that are ready, in order: `limit` at the most, and `maxBytes` but for the first. */
  ready(limit: number, maxBytes: number): ReadItem[] {
    const ready: ReadItem[] = [];
    let bytes = 0;
    for (const item of this.items) {
      bytes += item.bytes;
      if (!isRead(item) || ready.length >= limit || (ready.length > 0 && bytes > maxBytes)) break;
      ready.push(item);
    }
    return ready;
  }

  /** Forgets the first items: they are applied. */
  drop(count: number): void {
    for (const { record, bytes } of this.items.splice(0, count)) {
      if (record === null) continue;
      this.heldRecords--;
      this.heldBytes -= bytes;
    }
  }

  private moveTo(offset: bigint): void {
    this.expected = offset;
    const last = this.items.at(-1);
    // The step that takes an item remembers its offset then, so the last one may still be moved on.
    if (last === undefined) this.items.push({ record: null, input: null, after: offset, bytes: 0 });
    else last.after = offset;
  }
}

function isRead(item: IntakeItem): item is ReadItem {
  return item.record === null || item.input !== null;
}
