/**
 * Where each assigned partition of one consumer stands. A pure state machine: kafkajs is told what it answers.
 *
 * Invariants:
 * - `cursor` is where kafkajs must fetch next. A batch fetched from elsewhere is not handed on: it was under way when a
 *   rejoin or a seek moved the position (fetchers of other brokers go on while one rejoins), and kafkajs's next fetch would
 *   start behind it, so that records were lost. The first such batch is answered by a seek to the cursor; a second one in a
 *   row means that the log no longer holds the cursor (kafkajs jumps silently on OFFSET_OUT_OF_RANGE), which is handed on
 *   with its own `fetchedOffset`, for the listener to judge.
 * - `covered` ≤ `cursor`: behind the last batch handed on. Markers and aborted records in between belong to the next batch,
 *   so that batches join without gaps: `fetchedOffset` is the `nextOffset` of the one before.
 * - A held partition has no position yet; it is paused in kafkajs, as one that the listener paused.
 */
import type { TopicPartition } from '../../core/ports/broker.ts';

type Slot = { cursor: bigint; covered: bigint; held: boolean; paused: boolean; refetched: boolean };

/** `drop`: not for the listener; `refetch`: drop, and seek to `from`; `accept`: the batch covers `from` to `next`. */
export type Verdict = { verdict: 'drop' } | { verdict: 'refetch'; from: bigint } | { verdict: 'accept'; from: bigint };

const key = ({ topic, partition }: TopicPartition): string => `${partition}/${topic}`;

export class Positions {
  private slots = new Map<string, Slot>();
  private parts: readonly TopicPartition[] = [];

  get assigned(): readonly TopicPartition[] {
    return this.parts;
  }

  /** Takes a new assignment: all are held; those retained stay paused if they were. */
  assign(parts: readonly TopicPartition[]): void {
    const before = this.slots;
    this.parts = parts;
    this.slots = new Map(
      parts.map((tp) => {
        const paused = before.get(key(tp))?.paused ?? false;
        return [key(tp), { cursor: 0n, covered: 0n, held: true, paused, refetched: false }];
      }),
    );
  }

  /** Places a partition; false when it is not assigned. */
  place(tp: TopicPartition, offset: bigint): boolean {
    const slot = this.slots.get(key(tp));
    if (!slot) return false;
    slot.cursor = slot.covered = offset;
    slot.held = slot.refetched = false;
    return true;
  }

  /** False when it is not assigned. */
  setPaused(tp: TopicPartition, paused: boolean): boolean {
    const slot = this.slots.get(key(tp));
    if (slot) slot.paused = paused;
    return slot !== undefined;
  }

  isHeld(tp: TopicPartition): boolean {
    return this.slots.get(key(tp))?.held ?? false;
  }

  /** Whether kafkajs may fetch it. */
  isOpen(tp: TopicPartition): boolean {
    const slot = this.slots.get(key(tp));
    return slot !== undefined && !slot.held && !slot.paused;
  }

  /** kafkajs filtered all of a batch (markers, aborted records) and moves on by itself; false when that is none of ours. */
  skip(tp: TopicPartition, first: bigint, last: bigint): boolean {
    const slot = this.slots.get(key(tp));
    if (!slot || slot.held || first !== slot.cursor) return false;
    slot.cursor = last + 1n;
    return true;
  }

  /** What to do with a batch that was fetched from `fetchedOffset` and ends with `last`. */
  judge(tp: TopicPartition, fetchedOffset: bigint, last: bigint): Verdict {
    const slot = this.slots.get(key(tp));
    // Paused while it was fetched: kafkajs fetches it again when it is resumed.
    if (!slot || slot.held || slot.paused) return { verdict: 'drop' };
    const expected = fetchedOffset === slot.cursor;
    if (!expected && !slot.refetched) {
      slot.refetched = true;
      return { verdict: 'refetch', from: slot.cursor };
    }
    const from = expected ? slot.covered : fetchedOffset;
    slot.cursor = slot.covered = last + 1n;
    slot.refetched = false;
    return { verdict: 'accept', from };
  }
}
