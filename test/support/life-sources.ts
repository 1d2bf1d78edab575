/** A topic of the user's own whose records are events: what plain producers write there, and who listens to it, by chance. */
import { LAST_COMMAND_AT, type Action, type Surroundings } from './life.ts';
import { listenerOf } from './life-events.ts';
import type { Random } from './random.ts';

export const SOURCE = { topic: 'clicks', tenant: 'acme', event: 'click' } as const;
export const SOURCE_PARTITIONS = 2;

export type SourceRecord = {
  /** Ms after the epoch. */
  at: number;
  partition: number;
  value: string;
};

/** Often, several come at once. Some are no JSON: events that no filter understands. */
export function sourceRecordsOf(random: Random): SourceRecord[] {
  return Array.from({ length: random.int(2, 8) }, () => random.int(1_000, LAST_COMMAND_AT)).flatMap((at) =>
    Array.from({ length: random.int(1, 3) }, () => ({
      at,
      partition: random.int(0, SOURCE_PARTITIONS - 1),
      value: random.chance(0.1) ? 'no JSON' : JSON.stringify({ n: random.int(0, 9) }),
    })),
  );
}

/** Jobs that listen to these records; the last one is another tenant's, and hears nothing of them. */
export function sourceListenersOf(random: Random, surroundings: Surroundings): Action[] {
  const listeners = ['reader-1', 'reader-3', 'reader-2'].slice(0, random.int(1, 3));
  const events = { names: [SOURCE.event], number: 'event.value.n' };
  return listeners.flatMap((jobId) => listenerOf(random, `${surroundings.prefix}${jobId}`, events, surroundings));
}
