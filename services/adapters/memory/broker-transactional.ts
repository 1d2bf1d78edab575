/**
 * A transactional producer in memory; behaves as the one on Kafka: after an error it initialises itself anew at its next
 * use, unless it was fenced or closed.
 *
 * A transaction takes two requests, so a process that dies in between leaves it open.
 */
import { BelfryError } from '../../core/errors.ts';
import type { GroupOffset, TransactionalProducer } from '../../core/ports/broker.ts';
import type { OutgoingRecord } from '../../core/records.ts';
import type { BrokerRequest, MemoryCluster } from './broker-cluster.ts';

type Request = <T>(kind: BrokerRequest, work: () => T) => Promise<T>;

export class MemoryTransactionalProducer implements TransactionalProducer {
  private readonly broker: MemoryCluster;
  private readonly transactionalId: string;
  private readonly request: Request;
  private epoch: number | undefined;
  private fenced = false;
  private closed = false;

  constructor(broker: MemoryCluster, transactionalId: string, request: Request) {
    this.broker = broker;
    this.transactionalId = transactionalId;
    this.request = request;
  }

  async init(): Promise<void> {
    if (this.closed) throw new BelfryError('broker_unavailable', 'This producer was closed.', { retryable: true });
    this.epoch = await this.request('init', () => this.broker.transactions.init(this.transactionalId));
    this.fenced = false;
  }

  async transact(records: readonly OutgoingRecord[], offsets: readonly GroupOffset[]): Promise<void> {
    if (records.length === 0 && offsets.length === 0) return;
    if (this.fenced)
      throw new BelfryError('producer_fenced', `${this.transactionalId} was taken over by another process.`);
    const { broker, transactionalId } = this;
    try {
      if (this.epoch === undefined) await this.init();
      const epoch = this.epoch as unknown as number;
      await this.request('begin', () => {
        for (const record of records) broker.requireAcceptable(record);
        const transaction = broker.transactions.begin(transactionalId, epoch);
        transaction.offsets = offsets;
        broker.append(records, transaction);
      });
      await this.request('commit', () => broker.transactions.commit(transactionalId, epoch));
    } catch (error) {
      this.epoch = undefined;
      this.fenced = error instanceof BelfryError && error.code === 'producer_fenced';
      throw error;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    this.epoch = undefined;
  }
}
