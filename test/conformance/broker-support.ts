import assert from 'node:assert/strict';

import type {
  Broker,
  FetchedBatch,
  GroupListener,
  GroupOptions,
  Position,
  TailOptions,
  TopicPartition,
} from '../../services/core/ports/broker.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../services/core/records.ts';

/** What a suite of the broker port needs of the broker under test. */
export type BrokerHarness = {
  createTopic(partitions: number): Promise<string>;
  /** The broker as another process sees it; closed with the harness. */
  client(): Broker;
  /** A member whose process can die without a word, all positions committed. */
  mortalMember(options: GroupOptions): Promise<{ assignment(): readonly TopicPartition[]; kill(): void }>;
  /** A process that dies after it wrote these and before it committed them. */
  abandonTransaction(transactionalId: string, records: readonly OutgoingRecord[]): Promise<void>;
  sessionTimeoutMs: number;
  close(): Promise<void>;
};

let names = 0;
/** A name that no other test and no other run uses. */
export function unique(what: string): string {
  names += 1;
  return `belfry-test-${what}-${process.pid}-${Date.now().toString(36)}-${names}`;
}

export function record(topic: string, partition: number, value: string): OutgoingRecord {
  return { topic, partition, key: Buffer.from(`key-${value}`), value: Buffer.from(value), headers: { of: value } };
}

export const valuesOf = (records: readonly ConsumedRecord[]): string[] => records.map(({ value }) => String(value));

const WAIT_MS = 20_000;
const QUICK_LOOKS = 2_000;

/** Waits until it holds. Looks at first between any two timers of a virtual clock, which passes hours in a millisecond. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + WAIT_MS;
  for (let looks = 0; !condition(); looks += 1) {
    assert.ok(Date.now() < giveUpAt, `${what}: not within ${WAIT_MS} ms`);
    await new Promise((resolve) => (looks < QUICK_LOOKS ? setImmediate(resolve) : setTimeout(resolve, 2)));
  }
}

/** A listener that writes down what it hears. */
export class Recorder implements GroupListener {
  readonly assignments: (readonly TopicPartition[])[] = [];
  readonly batches: FetchedBatch[] = [];
  heartbeats = 0;
  fatal: Error | undefined;
  position: (tp: TopicPartition) => Position;

  constructor(position: (tp: TopicPartition) => Position = () => 'committed') {
    this.position = position;
  }

  get assignment(): readonly TopicPartition[] {
    return this.assignments.at(-1) ?? [];
  }

  /** Partition numbers held now of a topic. */
  held(topic: string): number[] {
    return this.assignment.filter((tp) => tp.topic === topic).map(({ partition }) => partition);
  }

  values(partition?: number): string[] {
    const batches = this.batches.filter((batch) => partition === undefined || batch.partition === partition);
    return batches.flatMap(({ records }) => valuesOf(records));
  }

  onAssignment(assignment: readonly TopicPartition[]): void {
    this.assignments.push(assignment);
  }

  onBatch(batch: FetchedBatch): void {
    this.batches.push(batch);
  }

  onHeartbeat(): void {
    this.heartbeats += 1;
  }

  onFatal(error: Error): void {
    this.fatal = error;
  }
}

/** A tail that writes down what it reads. */
export async function openTail(
  broker: Broker,
  topic: string,
  options: Partial<TailOptions> = {},
): Promise<{ records: ConsumedRecord[]; caughtUp(): number }> {
  const records: ConsumedRecord[] = [];
  let caughtUp = 0;
  await broker.tail({
    topics: [topic],
    from: 'beginning',
    isolation: 'read_committed',
    onRecord: (read) => records.push(read),
    onCaughtUp: () => (caughtUp += 1),
    ...options,
  });
  return { records, caughtUp: () => caughtUp };
}
