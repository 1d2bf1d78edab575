/**
 * One attempt of a run on its way through this executor, and what holds it.
 *
 * Invariant: until its outcome is published, an attempt is held by a Kafka offset that is not committed or by a row of
 * `parked`. Whoever reads that offset or takes that row next brings the attempt to its end if this process dies.
 */
import type { ErrorIds } from '../core/errors.ts';
import { PRIORITIES, type Priority } from '../core/model.ts';
import type { RunRow } from '../core/ports/run-store.ts';
import type { DueRecord } from '../core/records.ts';
import type { Watermark } from '../core/watermark.ts';
import { handlerOf } from './handlers/handler.ts';
import type { Load, Stage } from './in-hand.ts';
import type { Incarnation } from './incarnation.ts';
import type { Verdict } from './run.ts';

/** A partition from when it was assigned until it was lost; assigned again, it is another one. */
export type HeldPartition = {
  readonly topic: string;
  readonly partition: number;
  readonly groupId: string;
  readonly watermark: Watermark;
  /** What waits of it; see `InHand`. */
  readonly load: Load;
  held: boolean;
  /** The next offset to take in; null until the first batch. */
  position: bigint | null;
  committed: bigint | null;
};

export type Source = { readonly partition: HeldPartition; readonly offset: bigint };
export type TaskOrigin = { topic: string; partition: number; offset: bigint };

/** Something that was read from Kafka and whose end is not published yet: offsets hold it. */
export class Holding {
  sources: Source[] = [];
  /** Of its record, as it was read; 0: it came from `parked`. */
  readonly bytes: number;
  /** Where it was read first. */
  from: HeldPartition | null = null;
  /** Set by `InHand.move` alone. */
  stage: Stage | null = null;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** This offset holds it. */
  attach(source: Source): void {
    this.from ??= source.partition;
    this.sources.push(source);
  }

  /** Whether it is this executor's to publish: after a lost partition its new owner publishes. */
  get mine(): boolean {
    return this.sources.some((source) => source.partition.held);
  }

  /** For logs. */
  get ids(): ErrorIds {
    const [source] = this.sources;
    if (source === undefined) return {};
    const { partition, offset } = source;
    return { topic: partition.topic, partition: partition.partition, offset: String(offset) };
  }

  /** No offset needs to hold it any more. */
  release(): void {
    for (const { partition, offset } of this.sources) partition.watermark.done(offset);
    this.sources = [];
  }
}

export class Task extends Holding {
  readonly key: string;
  readonly due: DueRecord;
  readonly priority: Priority;
  readonly handler: string;
  /** Tells this task's own claim from another's, also when the answer to the claim was lost. */
  readonly nonce: string;
  /** Where the due record was read first; null: it came from `parked`. */
  readonly origin: TaskOrigin | null;
  /** A row of `parked` holds it: it is published whatever became of its offsets, and then unparked. */
  parked = false;
  /** Being parked: unpark only afterwards. */
  parking: Promise<unknown> | null = null;
  /** It is claimed only to come to this verdict; null: to run. */
  endAs: Verdict | null = null;
  /** Of its places under limits, from before the claim until its slot is free again. */
  ticket: string | null = null;
  /** False: it has limits and no places, and is claimed only to see what its row says. */
  mayStart = true;
  /** Since when it waits for a slot. */
  waitingSince = 0;
  /** How many times its row was looked at without a claim. */
  looks = 0;

  constructor(due: DueRecord, nonce: string, origin: TaskOrigin | null, bytes = 0) {
    super(bytes);
    this.key = `${due.runId}/${due.attempt}`;
    this.due = due;
    // One that a newer release wrote waits with those of the middle; its record says what it says.
    this.priority = PRIORITIES.includes(due.priority) ? due.priority : 'medium';
    this.handler = handlerOf(due);
    this.nonce = nonce;
    this.origin = origin;
  }

  get tenant(): string {
    return this.due.tenant;
  }

  override get mine(): boolean {
    return this.parked || super.mine;
  }

  override get ids(): ErrorIds {
    return { runId: this.due.runId };
  }

  /** The same record was read again (a redelivery, or a repeat by the timer): it shares this task's fate. */
  override attach(source: Source): void {
    this.sources = this.sources.filter((each) => each.partition.held);
    super.attach(source);
    if (this.parked) this.release();
  }
}

/** A run that this executor has claimed: every write is fenced by the token and by the incarnation's lease. */
export type OwnedRun = { readonly incarnation: Incarnation; readonly token: number; readonly row: RunRow };

/** Bytes of a record in memory. */
export function sizeOf({ key, value }: { key: Buffer | null; value: Buffer | null }): number {
  return (key?.length ?? 0) + (value?.length ?? 0);
}
