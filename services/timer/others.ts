/**
 * Due timers behind a flood. Timers strike in the order of their times, so where a partition has more due ones than a step takes,
 * those of high priority and those of other tenants would wait until the flood before them has fired.
 *
 * They are read beside the steps, which go on meanwhile: passing over a million rows takes a second. Invariant: what is answered
 * is stored still. What a step removes while a reading is under way, or afterwards, is left out, and a partition that was lost and
 * taken again is another object.
 */
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { TimerKey, TimerRow, TimerStore } from '../core/ports/timer-store.ts';
import type { TimerLimits } from './deps.ts';
import type { OwnedPartition } from './owned.ts';
import { placeOf } from './plan.ts';
import type { Wake } from './wake.ts';

const READ_EVERY_MS = 200;
/** Of a partition at once. */
const MOST_READ = 500;
/** Reading takes one part in so many of the time. */
const REST = 5;
/** Whoever has so much of a full step is flooding. */
const FLOOD_SHARE = 0.25;

type OthersDeps = {
  store: TimerStore;
  clock: Clock;
  log: Log;
  wake: Wake;
  /** Whether several tenants have jobs. */
  isShared: () => boolean;
};

type StepLimits = Pick<TimerLimits, 'perStep' | 'bytesPerStep'>;
type Found = ReadonlyMap<OwnedPartition, readonly TimerRow[]>;

export class Others {
  private readonly deps: OthersDeps;
  private readonly urgent: Reading;
  private readonly tenants: Reading;

  constructor(deps: OthersDeps) {
    this.deps = deps;
    this.urgent = new Reading(deps);
    this.tenants = new Reading(deps);
  }

  /**
   * What was found in these partitions; begins to read anew where it is time to and there is a flood.
   * @param limits of a step at present: of each kind, as many again go with it at the most, and the rest with the next ones
   */
  take(partitions: readonly OwnedPartition[], limits: StepLimits): Found {
    const found = new Map<OwnedPartition, readonly TimerRow[]>();
    for (const owned of partitions) {
      const rows = [this.urgent, this.tenants].flatMap((reading) => reading.take(owned, limits.perStep));
      if (rows.length > 0) found.set(owned, rows);
    }
    this.look(partitions, limits);
    return found;
  }

  /** A step has removed these timers of the partition. */
  removed(owned: OwnedPartition, keys: readonly TimerKey[]): void {
    for (const reading of [this.urgent, this.tenants]) reading.forget(owned, keys);
  }

  private look(partitions: readonly OwnedPartition[], limits: StepLimits): void {
    const { store, clock, isShared } = this.deps;
    const now = clock.now();
    const [urgent, tenants] = [this.urgent.mayBegin(now), isShared() && this.tenants.mayBegin(now)];
    if (!urgent && !tenants) return;
    const due = partitions.map((owned) => [owned, overfull(owned, now, limits)] as const);
    const full = new Map(due.filter(([, rows]) => rows.length > 0));
    const before = Math.floor(now) + 1;
    if (urgent) void this.urgent.begin([...full.keys()], (of) => store.urgentTimers(of, before, MOST_READ));
    if (!tenants) return;
    const floods = new Map([...full].map(([owned, rows]) => [owned, flooding(rows)]));
    const flooded = [...floods.keys()].filter((owned) => floods.get(owned)!.length > 0);
    const exceptOf = [...new Set([...floods.values()].flat())];
    void this.tenants.begin(flooded, (of) => store.timers(of, before, MOST_READ, exceptOf));
  }
}

/** One kind of reading, and what the last one found until it is taken. */
class Reading {
  private readonly deps: OthersDeps;
  private readonly found = new Map<OwnedPartition, readonly TimerRow[]>();
  /** Places of what was removed since the reading under way began, which may have seen it; undefined while none is. */
  private removed: Set<string> | undefined;
  private nextAt = -Infinity;

  constructor(deps: OthersDeps) {
    this.deps = deps;
  }

  mayBegin(now: number): boolean {
    for (const owned of this.found.keys()) if (!owned.live) this.found.delete(owned);
    return this.removed === undefined && this.found.size === 0 && now >= this.nextAt;
  }

  /** Less often the longer it takes. @param read by number of partition */
  async begin(
    partitions: readonly OwnedPartition[],
    read: (partitions: readonly number[]) => Promise<TimerRow[]>,
  ): Promise<void> {
    if (partitions.length === 0) return;
    const { clock, log, wake } = this.deps;
    const begun = clock.now();
    const removed = (this.removed = new Set());
    try {
      const rows = await read(partitions.map(({ partition }) => partition));
      const byPartition = Map.groupBy(rows, ({ partition }) => partition);
      for (const owned of partitions) {
        const left = (byPartition.get(owned.partition) ?? []).filter((row) => !removed.has(placeOf(row)));
        if (left.length > 0) this.found.set(owned, left);
      }
      if (this.found.size > 0) wake.call();
    } catch (thrown) {
      log.warn({ err: thrown }, 'timers behind a flood could not be read; trying again');
    }
    this.removed = undefined;
    this.nextAt = clock.now() + Math.max(READ_EVERY_MS, REST * (clock.now() - begun));
  }

  take(owned: OwnedPartition, most: number): readonly TimerRow[] {
    const rows = this.found.get(owned) ?? [];
    if (rows.length > most) this.found.set(owned, rows.slice(most));
    else this.found.delete(owned);
    return rows.slice(0, most);
  }

  forget(owned: OwnedPartition, keys: readonly TimerKey[]): void {
    const rows = this.found.get(owned);
    if (this.removed === undefined && rows === undefined) return;
    const places = new Set(keys.map(placeOf));
    for (const place of places) this.removed?.add(place);
    if (rows === undefined) return;
    this.found.set(
      owned,
      rows.filter((row) => !places.has(placeOf(row))),
    );
  }
}

/** What the partition's next step takes of due timers, if that leaves some of them behind. */
function overfull({ lookAhead }: OwnedPartition, now: number, { perStep, bytesPerStep }: StepLimits): TimerRow[] {
  const due = lookAhead.due(now, perStep, bytesPerStep);
  const isAll = due.length < perStep && due.length === lookAhead.due(now, perStep, Infinity).length;
  return isAll ? [] : due;
}

/** The tenants who fill the step. */
function flooding(due: readonly TimerRow[]): string[] {
  const counts = Map.groupBy(due, ({ tenant }) => tenant);
  return [...counts].filter(([, rows]) => rows.length > due.length * FLOOD_SHARE).map(([tenant]) => tenant);
}
