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
  private unread: IntakeItem[] = [];
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
   * @param read what a record means; undefined passes it over, `later` leaves it to `nextUnread`
   * @returns false when records are missing before the batch: the caller seeks back to `expected`
   */
  accept(batch: FetchedBatch, read: (record: ConsumedRecord) => Input | 'later' | undefined): boolean {
    if (batch.fetchedOffset > this.expected) return false;
    for (const record of batch.records) {
      const input = record.offset < this.expected ? undefined : read(record);
      if (input === undefined) continue;
      const item = {
        record,
        input: input === 'later' ? null : input,
        after: record.offset + 1n,
        bytes: sizeOf(record),
      };
      this.items.push(item);
      if (input === 'later') this.unread.push(item);
      this.heldRecords++;
      this.heldBytes += item.bytes;
    }
    if (batch.nextOffset > this.expected) this.moveTo(batch.nextOffset);
    return true;
  }

  /** The next record that was left unread; each is answered once. */
  nextUnread(): IntakeItem | undefined {
    return this.unread.shift();
  }

  /**
   * An unread item means nothing: its neighbour moves the offset past it. So thousands of them are none, where each step takes but
   * so many items. No step has it: steps end before the first unread one.
   */
  skip(item: IntakeItem): void {
    const at = this.items.indexOf(item);
    const before = this.items[at - 1];
    this.pass(item);
    if (at === this.items.length - 1 && before === undefined) return;
    this.items.splice(at, 1);
    if (before !== undefined) before.after = item.after;
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

  /** Forgets the first items: they are applied up to the offset `applied`. */
  drop(count: number, applied: bigint): void {
    const dropped = this.items.splice(0, count);
    for (const { record, bytes } of dropped) {
      if (record === null) continue;
      this.heldRecords--;
      this.heldBytes -= bytes;
    }
    // The last item may have been moved on while its step was under way.
    const reached = dropped.at(-1)?.after ?? applied;
    if (reached > applied) this.items.unshift(marker(reached));
  }

  /** Gives up on a record: it only moves the offset. */
  pass(item: IntakeItem): void {
    if (item.record === null) return;
    this.heldRecords--;
    this.heldBytes -= item.bytes;
    item.record = null;
    item.bytes = 0;
  }

  private moveTo(offset: bigint): void {
    this.expected = offset;
    const last = this.items.at(-1);
    if (last === undefined) this.items.push(marker(offset));
    else last.after = offset;
  }
}

function marker(after: bigint): IntakeItem {
  return { record: null, input: null, after, bytes: 0 };
}

/** Bytes of memory that a record takes, roughly. */
function sizeOf({ value }: ConsumedRecord): number {
  return (value?.length ?? 0) + 500;
}

function isRead(item: IntakeItem): item is ReadItem {
  return item.record === null || item.input !== null;
}
