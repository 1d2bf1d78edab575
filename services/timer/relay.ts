/**
 * Passes what a group reads on to other partitions and topics: a batch's records and the group's position in one transaction.
 *
 * Invariants: one batch at a time, in the order in which they came; each is tried until it is durable, unless it is not wanted any
 * more or the relay is closed: so no record is passed over, and none is passed on twice by one process. A producer that failed is
 * closed before the next try takes its transactional id: a transaction of it that is still under way would otherwise take the id
 * back, and write what that try has written.
 */
import { messageOf } from '../core/errors.ts';
import type { Broker, FetchedBatch, TransactionalProducer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { OutgoingRecord } from '../core/records.ts';
import { backoffMs } from './backoff.ts';

export type RelayOptions = {
  broker: Broker;
  clock: Clock;
  log: Log;
  /** Whose position moves. */
  groupId: string;
  /** Who else passes on under the id of this batch is fenced. */
  transactionalId: (batch: FetchedBatch) => string;
  /** What the batch becomes; asked when its turn comes. */
  recordsOf: (batch: FetchedBatch) => OutgoingRecord[];
  /** Asked before each try. */
  isWanted: (batch: FetchedBatch) => boolean;
};

export class Relay {
  private readonly options: RelayOptions;
  private readonly producers = new Map<string, Promise<TransactionalProducer>>();
  private last: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(options: RelayOptions) {
    this.options = options;
  }

  /** Takes a batch, behind those before it. @returns when it is passed on, or given up */
  accept(batch: FetchedBatch): Promise<void> {
    this.last = this.last.then(() => this.passOn(batch));
    return this.last;
  }

  /** Gives up what waits; the try under way is finished. */
  async close(): Promise<void> {
    this.closed = true;
    await this.last;
    for (const producer of this.producers.values()) await (await producer).close();
  }

  private async passOn(batch: FetchedBatch): Promise<void> {
    const { clock, log, groupId, transactionalId, recordsOf, isWanted } = this.options;
    const { topic, partition, nextOffset: offset } = batch;
    const id = transactionalId(batch);
    const records = recordsOf(batch);
    for (let failures = 1; !this.closed && isWanted(batch); failures++) {
      try {
        const producer = await this.producer(id);
        return await producer.transact(records, [{ groupId, topic, partition, offset }]);
      } catch (thrown) {
        log.warn({ topic, partition, reason: messageOf(thrown) }, 'passing on records failed; trying again');
        await this.discard(id);
        await clock.sleep(backoffMs(failures));
      }
    }
  }

  private producer(id: string): Promise<TransactionalProducer> {
    const producer = this.producers.get(id) ?? this.options.broker.transactional(id);
    this.producers.set(id, producer);
    return producer;
  }

  private async discard(id: string): Promise<void> {
    const former = this.producers.get(id);
    this.producers.delete(id);
    await former?.then((producer) => producer.close()).catch(() => undefined);
  }
}
