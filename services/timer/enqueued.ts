/**
 * Commands that were enqueued in transactions of their senders' own: read at the beginning of a turn, applied by it.
 *
 * Invariant: nothing of them is kept from one turn to the next. They are read while no step is under way, and the step that
 * applies them removes them; so what is read has not been applied, and a step whose outcome is unclear needs no thought.
 */
import type { EnqueuedCommand, TimerStore } from '../core/ports/timer-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { PositionMarks } from '../core/ports/position-marks.ts';
import type { ConsumedRecord } from '../core/records.ts';
import { ENQUEUED_ORIGIN } from '../core/rejected-record.ts';
import type { TimerLimits } from './deps.ts';
import { inputNames } from './input-names.ts';
import { readCommand, type Input, type ReadOptions } from './inputs.ts';
import type { OwnedPartition } from './owned.ts';

/** A command as if it had stood on a topic: origin of a refused one is the table, and its id there. */
export type EnqueuedItem = { id: number; record: ConsumedRecord; input: Input };

export type EnqueuedOptions = ReadOptions & {
  store: Pick<TimerStore, 'enqueued'>;
  clock: Clock;
  limits: TimerLimits;
  marks?: PositionMarks;
};

/** What no notice told of is found within this. */
const POLL_MS = 1_000;

export class Enqueued {
  private readonly options: EnqueuedOptions;
  /** Partitions that have some. */
  private readonly noticed = new Set<number>();
  private askedAt = -Infinity;

  constructor(options: EnqueuedOptions) {
    this.options = options;
  }

  /** Some were committed. */
  notice(partition: number): void {
    this.noticed.add(partition);
  }

  /** The first of those that wait, by partition. @throws BelfryError of the store: then all are asked for the next time */
  async read(partitions: readonly OwnedPartition[]): Promise<ReadonlyMap<number, EnqueuedItem[]>> {
    const { store, clock, limits } = this.options;
    const isPoll = clock.now() - this.askedAt >= POLL_MS;
    const asked = partitions.filter(({ partition }) => isPoll || this.noticed.has(partition));
    if (asked.length === 0) return new Map();
    const ids = asked.map(({ partition }) => partition);
    const formerly = this.askedAt;
    this.askedAt = -Infinity;
    for (const partition of ids) this.noticed.delete(partition);
    const rows = await store.enqueued(ids, limits.perStep, limits.bytesPerStep);
    this.askedAt = isPoll ? clock.now() : formerly;
    const items = new Map<number, EnqueuedItem[]>();
    for (const owned of asked) {
      const own = rows.filter(({ partition }) => partition === owned.partition);
      if (own.length === 0) continue;
      this.noticed.add(owned.partition); // until it is seen that there are no more
      items.set(owned.partition, await this.itemsOf(owned, own));
    }
    return items;
  }

  /** Those of one partition, which has its turns beside those of the others. */
  async readOf(owned: OwnedPartition): Promise<EnqueuedItem[]> {
    const { store, limits } = this.options;
    this.noticed.add(owned.partition); // what is left afterwards is asked for with those of the others
    return this.itemsOf(owned, await store.enqueued([owned.partition], limits.perStep, limits.bytesPerStep));
  }

  private itemsOf(owned: OwnedPartition, rows: readonly EnqueuedCommand[]): Promise<EnqueuedItem[]> {
    return Promise.all(rows.map((row) => this.itemOf(owned, row)));
  }

  private async itemOf(owned: OwnedPartition, row: EnqueuedCommand): Promise<EnqueuedItem> {
    const { partition, id, enqueuedAt, key, command } = row;
    const record: ConsumedRecord = {
      ...{ topic: ENQUEUED_ORIGIN, partition, offset: BigInt(id), timestampMs: enqueuedAt, headers: {} },
      ...{ key: Buffer.from(key), value: Buffer.from(command) },
    };
    return { id, record, input: owned.refused.get(inputNames.enqueued(id)) ?? (await this.inputOf(record)) };
  }

  private async inputOf(record: ConsumedRecord): Promise<Input> {
    const { marks } = this.options;
    const { partition, offset, key } = record;
    const mark = (): void => marks?.input(partition, inputNames.enqueued(Number(offset)), key?.toString() ?? '');
    const input = await readCommand(record, this.options, mark).finally(() => marks?.clear());
    if (input.kind !== 'forward') return input;
    const message = 'the command is not in the partition of its key';
    return { kind: 'rejected', rejection: { code: 'key_mismatch', message }, head: {} };
  }
}
