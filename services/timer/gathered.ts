/** The inputs of one partition's step, as they were gathered. */
import type { TimerRow } from '../core/ports/timer-store.ts';
import type { ConsumedRecord, Rejection } from '../core/records.ts';
import { INTAKES, type Intake } from '../core/topics.ts';
import type { EnqueuedItem } from './enqueued.ts';
import type { Condemned } from './failure-policy.ts';
import type { Input } from './inputs.ts';
import type { ReadItem } from './intake-queue.ts';
import type { OwnedPartition } from './owned.ts';
import type { WaitedItem } from './waited.ts';

/** What was no record, as if it had been one: for the topic of the rejected. `timer`: the row goes. */
export type Quarantined = { name: string; timer: TimerRow | null; record: ConsumedRecord; rejection: Rejection };

/** The inputs of one partition's step. They stay where they are until the step is accepted. */
export type Gathered = {
  owned: OwnedPartition;
  items: Readonly<Record<Intake, readonly ReadItem[]>>;
  /** Commands that waited for jobs to be scheduled. */
  waited: readonly WaitedItem[];
  /** Commands of their senders' own transactions. */
  enqueued: readonly EnqueuedItem[];
  due: readonly TimerRow[];
  /** News of the lanes and of the sweep. */
  news: Pick<OwnedPartition, 'publishedRuns' | 'refusedRuns' | 'swept' | 'producedSeqs'>;
  /** Inputs that cannot be applied as they are, by name. */
  condemned?: ReadonlyMap<string, Condemned>;
  /** What is put among the rejected although it was no record. */
  quarantined?: readonly Quarantined[];
};

export function inputsOf({ items, waited, enqueued }: Gathered): Input[] {
  const read = INTAKES.flatMap((intake) => items[intake]).flatMap((item) => (item.record === null ? [] : [item.input]));
  if (waited.length + enqueued.length === 0) return read;
  return [...waited.map(({ input }) => input), ...read, ...enqueued.map(({ input }) => input)];
}

/** How many inputs a step has. */
export function sizeOf(gathered: Gathered): number {
  const { due, news, quarantined = [] } = gathered;
  const newsCount = news.swept.length + news.refusedRuns.length + news.publishedRuns.length;
  return inputsOf(gathered).length + due.length + newsCount + quarantined.length;
}

/** Whether only offsets and produced rows would be written: that can wait. */
export function hasLeftovers({ items, news }: Gathered): boolean {
  return news.producedSeqs.length > 0 || INTAKES.some((intake) => items[intake].length > 0);
}
