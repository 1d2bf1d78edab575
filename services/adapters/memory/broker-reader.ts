/**
 * Reads partitions for one member or tail, from positions that its owner sets; the memory counterpart of kafkajs's fetch
 * loop. Batches join without gaps: markers and aborted records belong to the next batch that has records.
 *
 * Invariant: at most one poll is scheduled; a poll hands over only what is open at that moment.
 */
import type { FetchedBatch, TopicPartition } from '../../core/ports/broker.ts';
import type { Isolation, PartitionLog } from './broker-log.ts';

/** Of one batch, so that a long log comes in several. */
const MAX_ENTRIES = 500;

type Slot = { log: PartitionLog; cursor: bigint; covered: bigint; held: boolean; paused: boolean };

export type ReaderOptions = {
  isolation: Isolation;
  logOf(tp: TopicPartition): PartitionLog | undefined;
  /** Runs `poll` a little later, unless the process is dead. */
  schedule(poll: () => void): void;
  /** Asked before each batch; false: not now, try again. */
  mayFetch(tp: TopicPartition): boolean;
  onBatch(batch: FetchedBatch): void;
  onSkip?(tp: TopicPartition, nextOffset: bigint): void;
};

const key = ({ topic, partition }: TopicPartition): string => `${partition}/${topic}`;

export class MemoryReader {
  private readonly options: ReaderOptions;
  private slots = new Map<string, Slot>();
  private scheduled = false;
  private suspended = false;

  constructor(options: ReaderOptions) {
    this.options = options;
  }

  /** All are held until they are placed; those retained stay paused if they were. */
  assign(parts: readonly TopicPartition[]): void {
    const before = this.slots;
    this.suspended = false;
    this.slots = new Map();
    for (const tp of parts) {
      const log = this.options.logOf(tp);
      const paused = before.get(key(tp))?.paused ?? false;
      if (log) this.slots.set(key(tp), { log, cursor: 0n, covered: 0n, held: true, paused });
    }
  }

  /** Reads nothing until the next assignment: a rejoin is under way. */
  suspend(): void {
    this.suspended = true;
  }

  place(tp: TopicPartition, offset: bigint): void {
    const slot = this.slots.get(key(tp));
    if (!slot) return;
    slot.cursor = slot.covered = offset;
    slot.held = false;
    this.wake();
  }

  setPaused(tp: TopicPartition, paused: boolean): void {
    const slot = this.slots.get(key(tp));
    if (!slot) return;
    slot.paused = paused;
    if (!paused) this.wake();
  }

  /** There may be something to read. */
  wake(): void {
    if (this.scheduled || this.slots.size === 0) return;
    this.scheduled = true;
    this.options.schedule(() => {
      this.scheduled = false;
      this.poll();
    });
  }

  private poll(): void {
    for (const slot of [...this.slots.values()]) {
      if (this.suspended) return;
      this.pollOne(slot);
    }
  }

  private pollOne(slot: Slot): void {
    const { log } = slot;
    if (slot.held || slot.paused || slot.cursor === log.end) return;
    if (!this.options.mayFetch(log)) return this.wake();
    // Out of range: Kafka's client jumps to the start, and its listener notices the gap.
    if (slot.cursor > log.end) slot.cursor = slot.covered = 0n;
    const { records, next } = log.read(slot.cursor, this.options.isolation, MAX_ENTRIES);
    if (next === slot.cursor) return;
    const fetchedOffset = slot.covered;
    slot.cursor = next;
    if (next < log.end) this.wake();
    const { topic, partition } = log;
    if (records.length === 0) return this.options.onSkip?.({ topic, partition }, next);
    slot.covered = next;
    this.options.onBatch({ topic, partition, fetchedOffset, nextOffset: next, highWatermark: log.end, records });
  }
}
