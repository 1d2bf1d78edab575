/**
 * Partitions beyond the job space: somebody added some to a topic, and keyed writers now spread over all of them. They
 * have no owner; whoever is assigned one passes its commands and retries on to the partition of their key, in transactions
 * that move the group's position along. Whatever is passed on twice is dropped by its id.
 */
import { messageOf } from '../core/errors.ts';
import { partitionOf } from '../core/murmur2.ts';
import type { Broker, FetchedBatch, TransactionalProducer } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Topics } from '../core/topics.ts';
import { backoffMs } from './backoff.ts';

export type ForeignOptions = {
  broker: Broker;
  clock: Clock;
  log: Log;
  topics: Topics;
  partitions: number;
  prefix: string;
};

export class ForeignPartitions {
  private readonly options: ForeignOptions;
  private readonly producers = new Map<number, Promise<TransactionalProducer>>();
  private last: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(options: ForeignOptions) {
    this.options = options;
  }

  /** Outcomes are news that others have already: only their offset moves. */
  accept(batch: FetchedBatch): void {
    this.last = this.last.then(() => this.passOn(batch));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.last;
    for (const producer of this.producers.values()) await (await producer).close();
  }

  private async passOn(batch: FetchedBatch): Promise<void> {
    const { clock, log, prefix, topics, partitions } = this.options;
    const { topic, partition, nextOffset: offset } = batch;
    const records =
      topic === topics.completed
        ? []
        : batch.records.map(({ key, value, headers }) => {
            return { topic, key, value, headers, partition: partitionOf(key ?? '', partitions) };
          });
    for (let failures = 1; !this.closed; failures++) {
      try {
        const producer = await this.producer(partition);
        return await producer.transact(records, [{ groupId: `${prefix}belfry-timer`, topic, partition, offset }]);
      } catch (thrown) {
        log.warn({ topic, partition, reason: messageOf(thrown) }, 'passing on records failed; trying again');
        this.producers.delete(partition);
        await clock.sleep(backoffMs(failures));
      }
    }
  }

  private producer(partition: number): Promise<TransactionalProducer> {
    const known =
      this.producers.get(partition) ??
      this.options.broker.transactional(`${this.options.prefix}belfry-forward-${partition}`);
    this.producers.set(partition, known);
    return known;
  }
}
