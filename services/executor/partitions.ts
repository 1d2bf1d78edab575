/**
 * The partitions that this executor holds, of all three priorities, and how far each may be committed.
 *
 * Invariant: only partitions of the latest assignment are held. One that is lost and assigned again starts anew from the
 * group's committed offset: what was read before belongs to the former holding and commits nothing.
 */
import type { GroupOffset, TopicPartition } from '../core/ports/broker.ts';
import { Watermark } from '../core/watermark.ts';
import type { HeldPartition } from './task.ts';

export class Partitions {
  private readonly byTopic = new Map<string, Map<number, HeldPartition>>();

  get(topic: string, partition: number): HeldPartition | undefined {
    return this.byTopic.get(topic)?.get(partition);
  }

  /** Makes the holding of one topic equal to its latest assignment; answers whether some were lost. */
  assign(topic: string, groupId: string, assignment: readonly TopicPartition[]): boolean {
    const before = this.byTopic.get(topic) ?? new Map<number, HeldPartition>();
    const now = new Map<number, HeldPartition>();
    for (const { partition } of assignment)
      now.set(partition, before.get(partition) ?? fresh(topic, partition, groupId));
    this.byTopic.set(topic, now);
    const lost = [...before.values()].filter((each) => !now.has(each.partition));
    for (const each of lost) each.held = false;
    return lost.length > 0;
  }

  /** The held partitions of a topic. */
  of(topic: string): TopicPartition[] {
    return [...(this.byTopic.get(topic)?.keys() ?? [])].map((partition) => ({ topic, partition }));
  }

  /** Offsets that have moved on since they were last committed. */
  advanced(): GroupOffset[] {
    const moved: GroupOffset[] = [];
    for (const { topic, partition, groupId, watermark, committed } of this.all()) {
      const offset = watermark.committable();
      if (offset !== null && (committed === null || offset > committed))
        moved.push({ topic, partition, groupId, offset });
    }
    return moved;
  }

  /** These offsets were committed. */
  committed(offsets: readonly GroupOffset[]): void {
    for (const { topic, partition, offset } of offsets) {
      const held = this.get(topic, partition);
      if (held !== undefined) held.committed = offset;
    }
  }

  get count(): number {
    return [...this.all()].length;
  }

  private *all(): Iterable<HeldPartition> {
    for (const partitions of this.byTopic.values()) yield* partitions.values();
  }
}

function fresh(topic: string, partition: number, groupId: string): HeldPartition {
  const load = { count: 0, bytes: 0 };
  return { topic, partition, groupId, watermark: new Watermark(), load, held: true, position: null, committed: null };
}
