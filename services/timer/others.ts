/**
 * Due timers of other tenants, from partitions where the due timers of few fill all that a step takes: without this, they would
 * wait until the flood before them has fired, since timers strike in the order of their times.
 *
 * Reading them passes over the flood's rows in the index, so it is done now and then only, less often the longer it takes.
 */
import type { Clock } from '../core/ports/clock.ts';
import type { TimerRow, TimerStore } from '../core/ports/timer-store.ts';
import type { TimerLimits } from './deps.ts';
import type { OwnedPartition } from './owned.ts';

const READ_EVERY_MS = 200;
/** Reading takes one part in so many of the time. */
const REST = 5;
/** Whoever has so much of a full step is flooding. */
const FLOOD_SHARE = 0.25;

export class Others {
  private readonly deps: { store: TimerStore; clock: Clock; limits: TimerLimits };
  private nextAt = -Infinity;

  constructor(deps: Others['deps']) {
    this.deps = deps;
  }

  /** By partition; none while there is no flood. */
  async read(partitions: readonly OwnedPartition[]): Promise<ReadonlyMap<number, readonly TimerRow[]>> {
    const { store, clock, limits } = this.deps;
    const begun = clock.now();
    if (begun < this.nextAt) return new Map();
    const floods = new Map(partitions.map((owned) => [owned.partition, flooding(owned, begun, limits)]));
    const flooded = partitions.map(({ partition }) => partition).filter((each) => floods.get(each)!.length > 0);
    if (flooded.length === 0) return new Map();
    const tenants = [...new Set([...floods.values()].flat())];
    const rows = await store.timers(flooded, Math.floor(begun) + 1, limits.perStep, tenants);
    this.nextAt = clock.now() + Math.max(READ_EVERY_MS, REST * (clock.now() - begun));
    return Map.groupBy(rows, ({ partition }) => partition);
  }
}

/** The tenants whose due timers fill the partition's next step; none when it is not full. */
function flooding({ lookAhead }: OwnedPartition, now: number, { perStep, bytesPerStep }: TimerLimits): string[] {
  const due = lookAhead.due(now, perStep, bytesPerStep);
  if (due.length < perStep && due.length === lookAhead.due(now, perStep, Infinity).length) return [];
  const counts = Map.groupBy(due, ({ tenant }) => tenant);
  return [...counts].filter(([, rows]) => rows.length > due.length * FLOOD_SHARE).map(([tenant]) => tenant);
}
