/**
 * What this executor holds in memory, counted in records and in their real bytes, so that intake and claims can be bounded by
 * them: means say nothing of the next record.
 *
 * Invariant: an item is counted in one stage at a time, and in none once it is over. What runs is bounded by its slots.
 */
import type { Holding } from './task.ts';

/**
 * - `waiting`: for a slot, or to be published without one. Counted for the topic and the partition that it was read from,
 *   whatever priority its record claims.
 * - `running`: in a slot.
 * - `ending`: to be settled and published.
 */
export type Stage = 'waiting' | 'running' | 'ending';
export type Load = { count: number; bytes: number };

export class InHand {
  private readonly byTopic = new Map<string, Load>();
  /** Bytes of what is to be settled and published. */
  endingBytes = 0;

  /** @param stage null: it is over */
  move(item: Holding, stage: Stage | null): void {
    if (item.stage === stage) return;
    this.count(item, -1);
    item.stage = stage;
    this.count(item, 1);
  }

  /** What waits of a topic. */
  of(topic: string): Load {
    const known = this.byTopic.get(topic);
    if (known !== undefined) return known;
    const load = { count: 0, bytes: 0 };
    this.byTopic.set(topic, load);
    return load;
  }

  /** Bytes of what waits, of all topics. */
  get waitingBytes(): number {
    return this.byTopic.values().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  private count({ stage, bytes, from }: Holding, sign: 1 | -1): void {
    if (stage === 'ending') this.endingBytes += sign * bytes;
    // A parked run has no partition: as many are taken as there are slots.
    if (stage !== 'waiting' || from === null) return;
    for (const load of [from.load, this.of(from.topic)]) {
      load.count += sign;
      load.bytes += sign * bytes;
    }
  }
}
