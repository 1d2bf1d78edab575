/**
 * Whole transactions under a transactional id.
 *
 * Invariants: `connection` is used by one transaction at a time (the caller serialises) and has never failed; `fenced` is
 * set when another process holds the id, and only `init`, which the caller asks for, takes it back. Once closed there is no
 * new connection: a transaction of a process that was frozen, closed in the middle of it, would otherwise make one, take the
 * id back from its new holder, and write what that one has written.
 *
 * Traps closed here:
 * - After an error kafkajs may stay in COMMITTING or ABORTING for ever (upstream #1275, #1416): any error discards the
 *   client; the next use makes another with the same id, whose initialising ends what the former left open.
 * - `InitProducerId` runs inside the first transaction: `init` begins one and aborts it.
 * - A transaction that follows another meets CONCURRENT_TRANSACTIONS: short retries for sends, a loop of our own for offsets,
 *   which kafkajs does not retry at all.
 * - `sendOffsets` marks offsets as committed in a cache even if the transaction aborts: this client's cache is never read.
 * - kafkajs's offset commit carries no group generation: only the epoch of the id fences (see DESIGN, PostgreSQL decides).
 */
import type { Transaction } from 'kafkajs';
import { BelfryError } from '../../core/errors.ts';
import type { GroupOffset, TransactionalProducer } from '../../core/ports/broker.ts';
import type { OutgoingRecord } from '../../core/records.ts';
import type { Catalog } from './catalog.ts';
import { openClient } from './connect.ts';
import type { Context } from './context.ts';
import { classify, hasType, isDenied, unavailable, within } from './errors.ts';
import { disconnectProducer, OWN_PARTITIONS, type ProducerConnection } from './producer-connection.ts';
import { requireAllAnswered, roundsOf, sizeOf, toTopicMessages } from './rounds.ts';

/** The broker ends a transaction by itself after this; ours must have given up before. */
const TRANSACTION_TIMEOUT_MS = 12_000;
const TRANSACT_MS = 10_000;
/** kafkajs waits 0.3, 0.6, 1.2 … s while the broker ends a predecessor's transaction, whatever it is told. */
const INIT_MS = 12_000;
const ABORT_MS = 1_000;
const REQUEST_MS = 5_000;
const CONCURRENT_RETRY = { initialRetryTime: 10, maxRetryTime: 200, retries: 20 };
const CONCURRENT_AGAIN_MS = 10;

export class KafkaTransactionalProducer implements TransactionalProducer {
  private readonly context: Context;
  private readonly catalog: Catalog;
  private readonly transactionalId: string;
  private connection: ProducerConnection | undefined;
  private fenced = false;
  private closed = false;

  constructor(context: Context, catalog: Catalog, transactionalId: string) {
    this.context = context;
    this.catalog = catalog;
    this.transactionalId = transactionalId;
  }

  /** Connects without initialising: the holder of the id, if there is one, keeps it. */
  async connect(): Promise<void> {
    await this.attempt('connecting a transactional producer', INIT_MS, async (signal) => {
      await this.connected(signal);
    });
  }

  async init(): Promise<void> {
    await this.disconnect();
    this.fenced = false;
    await this.attempt('initialising a transactional producer', INIT_MS, async (signal) => {
      const { producer } = await this.connected(signal);
      await (await producer.transaction()).abort();
    });
  }

  async transact(records: readonly OutgoingRecord[], offsets: readonly GroupOffset[]): Promise<void> {
    if (records.length === 0 && offsets.length === 0) return;
    if (this.fenced)
      throw new BelfryError('producer_fenced', `${this.transactionalId} was taken over by another process.`);
    try {
      await this.attempt('a transaction', TRANSACT_MS, async (signal) => {
        await this.catalog.requirePartitions(records);
        const { producer } = await this.connected(signal);
        const transaction = await producer.transaction();
        try {
          await this.fill(transaction, records, offsets, signal);
          await transaction.commit();
        } catch (error) {
          if (!signal.aborted) await this.abort(transaction);
          throw error;
        }
      });
    } catch (error) {
      throw nameTopic(error as BelfryError, records);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.disconnect();
  }

  private async fill(
    transaction: Transaction,
    records: readonly OutgoingRecord[],
    offsets: readonly GroupOffset[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const round of roundsOf(records)) {
      signal.throwIfAborted();
      const request = { acks: -1, timeout: REQUEST_MS, topicMessages: toTopicMessages(round) };
      requireAllAnswered(round, await transaction.sendBatch(request));
    }
    for (const [consumerGroupId, own] of Map.groupBy(offsets, ({ groupId }) => groupId)) {
      await this.sendOffsets(transaction, { consumerGroupId, topics: byTopic(own) }, signal);
    }
    // The deadline may have passed while the last answer was on its way: the caller was told that it failed.
    signal.throwIfAborted();
  }

  private async sendOffsets(
    transaction: Transaction,
    offsets: Parameters<Transaction['sendOffsets']>[0],
    signal: AbortSignal,
  ): Promise<void> {
    for (;;) {
      try {
        return await transaction.sendOffsets(offsets);
      } catch (error) {
        const ids = { group: offsets.consumerGroupId, topic: offsets.topics.map(({ topic }) => topic).join(', ') };
        if (isDenied(error)) throw classify(error, ids);
        if (signal.aborted || !hasType(error, 'CONCURRENT_TRANSACTIONS')) throw error;
        await this.context.clock.sleep(CONCURRENT_AGAIN_MS, signal);
      }
    }
  }

  /** Spares read_committed readers the wait for a transaction that nobody will end; if it fails, the next `init` ends it. */
  private async abort(transaction: Transaction): Promise<void> {
    if (!transaction.isActive()) return;
    await within(this.context.clock, ABORT_MS, 'aborting a transaction', transaction.abort()).catch((error: unknown) =>
      this.context.log.debug({ err: error }, 'A Kafka transaction could not be aborted.'),
    );
  }

  private async attempt(what: string, ms: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const gaveUp = new AbortController();
    try {
      this.requireOpen();
      await within(this.context.clock, ms, what, work(gaveUp.signal));
    } catch (error) {
      gaveUp.abort();
      this.connection?.client.destroy();
      this.connection = undefined;
      const classified = this.context.told(error, { transactionalId: this.transactionalId });
      this.fenced = classified.code === 'producer_fenced';
      throw classified;
    }
  }

  private async connected(signal: AbortSignal): Promise<ProducerConnection> {
    this.requireOpen();
    if (this.connection) return this.connection;
    const { config, log } = this.context;
    const client = openClient(config, log, { requestTimeoutMs: REQUEST_MS, retry: CONCURRENT_RETRY });
    const producer = client.kafka.producer({
      transactionalId: this.transactionalId,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
      ...OWN_PARTITIONS,
    });
    try {
      await producer.connect();
      signal.throwIfAborted();
      this.requireOpen();
    } catch (error) {
      client.destroy();
      throw error;
    }
    return (this.connection = { producer, client });
  }

  private requireOpen(): void {
    if (this.closed) throw unavailable('This producer was closed.');
  }

  private async disconnect(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (connection) await disconnectProducer(this.context, connection);
  }
}

function byTopic(offsets: readonly GroupOffset[]): Parameters<Transaction['sendOffsets']>[0]['topics'] {
  return [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, own]) => ({
    topic,
    partitions: own.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
  }));
}

/** Kafka does not say which of several records it refused as too large: it can only be the largest. */
function nameTopic(error: BelfryError, records: readonly OutgoingRecord[]): BelfryError {
  if (error.code !== 'record_refused' || error.ids.topic !== undefined) return error;
  const suspect = records.reduce((largest, record) => (sizeOf(record) > sizeOf(largest) ? record : largest));
  return new BelfryError(error.code, error.message, { cause: error.cause, ids: { topic: suspect.topic } });
}
