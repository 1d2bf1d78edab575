/**
 * Records of one partition of one topic that wait for a step.
 *
 * Invariant: `expected` is the offset behind everything in the queue, and nothing between the stored offset and it is
 * missing: a batch that begins later is refused, and what lies before it in a batch was seen already. kafkajs may fetch
 * from a position of its own around a rebalance; without this check records would be lost or applied twice.
 *
 * The queue is a list whose items know their neighbours: any of them goes without the others being looked at.
 */
import type { FetchedBatch } from '../core/ports/broker.ts';
import type { ConsumedRecord } from '../core/records.ts';
import type { Input } from './inputs.ts';

/** `after` is the next offset once this item is applied. An item without a record only moves the offset. */
export type IntakeItem = { record: ConsumedRecord | null; input: Input | null; after: bigint; bytes: number };
export type ReadItem = IntakeItem & ({ record: null } | { record: ConsumedRecord; input: Input });

type Linked = IntakeItem & { before: Linked | undefined; behind: Linked | undefined };

export class IntakeQueue {
  expected: bigint;
  paused = false;
  private first: Linked | undefined;
  private last: Linked | undefined;
  /** Up to here `nextUnread` has answered; undefined: nothing of what is in the queue. */
  private readTo: Linked | undefined;
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
      const bytes = sizeOf(record);
      this.append({ record, input: input === 'later' ? null : input, after: record.offset + 1n, bytes });
      this.heldRecords++;
      this.heldBytes += bytes;
    }
    if (batch.nextOffset > this.expected) this.moveTo(batch.nextOffset);
    return true;
  }

  /** The next record that was left unread; each is answered once. */
  nextUnread(): IntakeItem | undefined {
    let item = this.readTo === undefined ? this.first : this.readTo.behind;
    for (; item !== undefined; item = item.behind) {
      this.readTo = item;
      if (!isRead(item)) return item;
    }
    return undefined;
  }

  /**
   * An unread item means nothing: its neighbour moves the offset past it. So thousands of them are none, where each step takes but
   * so many items. No step has it: steps end before the first unread one.
   */
  skip(item: IntakeItem): void {
    const skipped = item as Linked;
    this.pass(skipped);
    if (skipped.before !== undefined) skipped.before.after = skipped.after;
    else if (skipped.behind === undefined) return; // alone, it moves the offset itself
    this.unlink(skipped);
  }

  /** Items that are ready, in order: `limit` at the most, and `maxBytes` but for the first. */
  ready(limit: number, maxBytes: number): ReadItem[] {
    const ready: ReadItem[] = [];
    let bytes = 0;
    for (let item = this.first; item !== undefined; item = item.behind) {
      bytes += item.bytes;
      if (!isRead(item) || ready.length >= limit || (ready.length > 0 && bytes > maxBytes)) break;
      ready.push(item);
    }
    return ready;
  }

  /** Whether the record at this offset is here, or may still come. */
  mayHold(offset: bigint): boolean {
    if (offset >= this.expected) return true;
    for (let item = this.first; item !== undefined; item = item.behind) if (item.record?.offset === offset) return true;
    return false;
  }

  /** Forgets the first items: they are applied up to the offset `applied`. */
  drop(count: number, applied: bigint): void {
    let reached = applied;
    for (let item = this.first, left = count; item !== undefined && left > 0; item = this.first, left--) {
      reached = item.after;
      if (item.record !== null) this.countOut(item);
      this.unlink(item);
    }
    // The last item may have been moved on while its step was under way.
    if (reached > applied) this.prepend(marker(reached));
  }

  /** Gives up on a record: it only moves the offset. */
  pass(item: IntakeItem): void {
    if (item.record === null) return;
    this.countOut(item);
    item.record = null;
    item.bytes = 0;
  }

  private countOut({ bytes }: IntakeItem): void {
    this.heldRecords--;
    this.heldBytes -= bytes;
  }

  private moveTo(offset: bigint): void {
    this.expected = offset;
    if (this.last === undefined) this.append(marker(offset));
    else this.last.after = offset;
  }

  private append(item: IntakeItem): void {
    const linked = Object.assign(item, { before: this.last, behind: undefined });
    if (this.last === undefined) this.first = linked;
    else this.last.behind = linked;
    this.last = linked;
  }

  private prepend(item: IntakeItem): void {
    const linked = Object.assign(item, { before: undefined, behind: this.first });
    if (this.first === undefined) this.last = linked;
    else this.first.before = linked;
    this.first = linked;
  }

  private unlink(item: Linked): void {
    const { before, behind } = item;
    if (before === undefined) this.first = behind;
    else before.behind = behind;
    if (behind === undefined) this.last = before;
    else behind.before = before;
    if (this.readTo === item) this.readTo = before;
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
