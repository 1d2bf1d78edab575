/** Commands that have waited for jobs to be scheduled, and are to be decided now: those jobs are there, or the time is over. */
import type { Clock } from '../core/ports/clock.ts';
import type { JobRef, TimerStore, WaitingCommand } from '../core/ports/timer-store.ts';
import { jobKey } from '../core/topics.ts';
import { inputNames } from './input-names.ts';
import { readCommand, type Input, type ReadOptions } from './inputs.ts';
import type { OwnedPartition } from './owned.ts';

/** A command that waited, read once more. */
export type WaitedItem = { waiting: WaitingCommand; input: Input };

export type WaitedOptions = ReadOptions & { store: Pick<TimerStore, 'read'>; clock: Clock };

/** So many jobs are looked for at once. */
const MAX_LOOKED_FOR = 1_000;

export class Waited {
  private readonly options: WaitedOptions;

  constructor(options: WaitedOptions) {
    this.options = options;
  }

  /** By partition, each job's in their order. @throws BelfryError of the store */
  async read(partitions: readonly OwnedPartition[]): Promise<ReadonlyMap<number, WaitedItem[]>> {
    const now = this.options.clock.now();
    const looked = partitions.flatMap((owned) => owned.waiting.toLookAt(now).map((first) => ({ owned, first })));
    if (looked.length === 0) return new Map();
    const isThere = await this.present(looked.map(({ first }) => first));
    const items = new Map<number, WaitedItem[]>();
    for (const { owned, first } of looked) {
      if (first.until > now && !isThere(first)) {
        owned.waiting.looked(first, now);
        continue;
      }
      const read = await Promise.all(owned.waiting.of(first).map((each) => this.itemOf(owned, each)));
      items.set(owned.partition, [...(items.get(owned.partition) ?? []), ...read]);
    }
    return items;
  }

  /** Tells of a command whether all that it waits for is there; of those that were not asked for, not. */
  private async present(waiting: readonly WaitingCommand[]): Promise<(command: WaitingCommand) => boolean> {
    const wanted = new Map<string, JobRef>();
    for (const { tenant, missing } of waiting) {
      for (const jobId of missing) wanted.set(jobKey(tenant, jobId), { tenant, jobId });
    }
    const { jobs } = await this.options.store.read([...wanted.values()].slice(0, MAX_LOOKED_FOR), []);
    return ({ tenant, missing }) => missing.every((jobId) => jobs.has(jobKey(tenant, jobId)));
  }

  private async itemOf(owned: OwnedPartition, waiting: WaitingCommand): Promise<WaitedItem> {
    const refused = owned.refused.get(inputNames.waiting(waiting.seq));
    return { waiting, input: refused ?? (await readCommand(waiting.record, this.options)) };
  }
}
