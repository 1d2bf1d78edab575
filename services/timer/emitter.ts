/**
 * The plain lane: produces outbox rows as they are.
 *
 * Invariants: one send is in flight; rows of a partition are produced in their order and repeated until they are
 * durable or the partition was let go (its next owner finds them in the store). Repeats are dropped downstream by id.
 */
import { bisect } from '../core/bisect.ts';
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Broker, Producer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { OutgoingRecord } from '../core/records.ts';
import { backoffMs } from './backoff.ts';

export type PendingBatch = {
  records: readonly OutgoingRecord[];
  /** False once the partition was let go. */
  isLive(): boolean;
  onProduced(): void;
  /** The broker will never take this record. */
  onRefused(record: OutgoingRecord, message: string): void;
};

export type EmitterOptions = {
  broker: Broker;
  clock: Clock;
  log: Log;
  produced: (records: number) => void;
  /** Whether a topic that is missing is waited for: Belfry's own are, those of a queue that was removed are not. */
  mustExist: (topic: string) => boolean;
};

const MAX_RECORDS_PER_SEND = 5_000;

export class Emitter {
  private readonly broker: Broker;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly produced: (records: number) => void;
  private readonly mustExist: (topic: string) => boolean;
  private pending: PendingBatch[] = [];
  private isRunning = false;
  private running: Promise<void> = Promise.resolve();
  private producer: Producer | undefined;
  private closed = false;
  /** Told already: a send that fails afterwards is repeated without them. */
  private readonly refused = new WeakSet<OutgoingRecord>();
  /** Why the last send failed; undefined while all is well. */
  failure: string | undefined;

  constructor(options: EmitterOptions) {
    this.broker = options.broker;
    this.clock = options.clock;
    this.log = options.log;
    this.produced = options.produced;
    this.mustExist = options.mustExist;
  }

  enqueue(batch: PendingBatch): void {
    this.pending.push(batch);
    if (this.isRunning) return;
    this.isRunning = true;
    this.running = this.run();
  }

  /** Waits until all is produced, `ms` at the most; begins nothing afterwards. What is left stays in the store. */
  async drain(ms: number): Promise<void> {
    await Promise.race([this.running, this.clock.sleep(ms)]);
    this.closed = true;
  }

  /** Closes the producer, once its send under way has come to an end. */
  async close(): Promise<void> {
    await this.producer?.close();
  }

  private async run(): Promise<void> {
    await Promise.resolve(); // rows of one step, each of a partition, go together
    for (let failures = 0; !this.closed;) {
      const batches = this.next();
      if (batches.length === 0) break;
      try {
        await this.send(batches);
        this.failure = undefined;
        failures = 0;
      } catch (thrown) {
        this.failure = messageOf(thrown);
        this.log.warn({ err: thrown, rows: batches.length }, 'producing the outbox failed; trying again');
        await this.clock.sleep(backoffMs(++failures));
      }
    }
    this.isRunning = false;
  }

  /** The batches to send next; they stay pending until they are produced. */
  private next(): PendingBatch[] {
    this.pending = this.pending.filter((batch) => batch.isLive());
    let records = 0;
    const end = this.pending.findIndex((batch, i) => (records += batch.records.length) > MAX_RECORDS_PER_SEND && i > 0);
    return this.pending.slice(0, end < 0 ? undefined : end);
  }

  /** Refused records are found among the others; some were written before then: readers drop repeats. */
  private async send(batches: readonly PendingBatch[]): Promise<void> {
    const producer = (this.producer ??= await this.broker.producer());
    const items = batches
      .flatMap((batch) => batch.records.map((record) => ({ batch, record })))
      .filter(({ record }) => !this.refused.has(record));
    await bisect(items, {
      work: async (some) => {
        await producer.send(some.map(({ record }) => record));
        this.produced(some.length);
      },
      isRefusal: (error) => this.isRefused(error),
      isSuspect: ({ record }, error) => isNamedBy(error, record),
      onRefused: ({ batch, record }, error) => {
        this.refused.add(record);
        batch.onRefused(record, messageOf(error));
      },
    });
    this.pending = this.pending.slice(batches.length);
    for (const batch of batches) batch.onProduced();
  }

  private isRefused(thrown: unknown): boolean {
    if (isRefusal(thrown)) return true;
    if (!(thrown instanceof BelfryError) || thrown.code !== 'topic_missing') return false;
    const { topic } = thrown.ids;
    return topic !== undefined && !this.mustExist(topic);
  }
}

/** The broker will never take the record, whatever it is sent with. */
export function isRefusal(thrown: unknown): boolean {
  return thrown instanceof BelfryError && thrown.code === 'record_refused';
}

/** Whether the broker's error is about the topic, and where it says so the partition, of this record. */
function isNamedBy(error: unknown, { topic, partition }: OutgoingRecord): boolean {
  const { ids } = error as BelfryError;
  return ids.topic === topic && (ids.partition ?? partition) === partition;
}
