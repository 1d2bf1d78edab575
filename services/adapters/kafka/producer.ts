/**
 * The plain producer: idempotent, acks=all, one send under way at a time; what is asked for meanwhile goes together in the next.
 *
 * Traps closed here:
 * - Sends at once share sequence numbers: after a lost answer kafkajs gives the same numbers to the next send, which the
 *   broker drops as a repeat of the first. Hence one at a time.
 * - After a failed request kafkajs takes back the sequences of all its partitions, also of those that were written; the
 *   next records there would be dropped as repeats. After INVALID_PRODUCER_EPOCH it never recovers. Hence any error
 *   discards the client, which `destroy` keeps from writing anything later.
 * - The sequence wraps wrongly at 2^31: the client is replaced long before.
 * - Lost partitions, batch sizes and unknown topics: rounds.ts, catalog.ts.
 */
import { BelfryError } from '../../core/errors.ts';
import type { Producer } from '../../core/ports/broker.ts';
import type { OutgoingRecord } from '../../core/records.ts';
import type { Catalog } from './catalog.ts';
import { openClient } from './connect.ts';
import { unavailable, within } from './errors.ts';
import { disconnectProducer, OWN_PARTITIONS, type ProducerConnection } from './producer-connection.ts';
import { requireAllAnswered, roundsOf, toTopicMessages } from './rounds.ts';
import type { Context } from './context.ts';

const SEND_MS = 10_000;
const REQUEST_MS = 5_000;
const RECORDS_PER_CLIENT = 2 ** 30;
/** Bounds what goes together, so that a late caller does not wait for a huge send. */
const RECORDS_PER_SEND = 10_000;

type Waiting = { records: readonly OutgoingRecord[]; resolve: () => void; reject: (error: BelfryError) => void };
type Connection = ProducerConnection & { records: number };

export class KafkaProducer implements Producer {
  private readonly context: Context;
  private readonly catalog: Catalog;
  private connection: Connection | undefined;
  private waiting: Waiting[] = [];
  private sending = false;
  private sent: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(context: Context, catalog: Catalog) {
    this.context = context;
    this.catalog = catalog;
  }

  /** Connects, unless it is. @param signal the caller gave up: what was opened late is closed again */
  async connect(signal?: AbortSignal): Promise<Connection> {
    if (this.connection && this.connection.records < RECORDS_PER_CLIENT) return this.connection;
    await this.disconnect();
    const client = openClient(this.context.config, this.context.log, { requestTimeoutMs: REQUEST_MS });
    const producer = client.kafka.producer({
      idempotent: true,
      ...OWN_PARTITIONS,
    });
    try {
      await within(this.context.clock, SEND_MS, 'connecting a producer', producer.connect());
      signal?.throwIfAborted();
    } catch (error) {
      client.destroy();
      throw error;
    }
    return (this.connection = { producer, client, records: 0 });
  }

  send(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ records, resolve, reject });
      if (!this.sending) this.sent = this.drain();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.sent;
    await this.disconnect();
  }

  private async drain(): Promise<void> {
    this.sending = true;
    for (let batch = this.takeWaiting(); batch.length > 0; batch = this.takeWaiting()) {
      const error = await this.write(batch.flatMap(({ records }) => records));
      if (!error) for (const { resolve } of batch) resolve();
      else if (error.code !== 'broker_unavailable') await this.sendEach(batch, error);
      // Those who came meanwhile would wait for the same broker just as long.
      else for (const { reject } of [...batch, ...this.waiting.splice(0)]) reject(error);
    }
    // In the same breath as the last look at `waiting`: who is told now may send at once, and must not be left waiting.
    this.sending = false;
  }

  private takeWaiting(): Waiting[] {
    let records = 0;
    const full = this.waiting.findIndex((entry) => (records += entry.records.length) > RECORDS_PER_SEND);
    return this.waiting.splice(0, full === -1 ? this.waiting.length : Math.max(1, full));
  }

  /** Somebody's records were refused, or their topic denied: the others must not hear of it. */
  private async sendEach(batch: readonly Waiting[], first: BelfryError): Promise<void> {
    for (const { records, resolve, reject } of batch) {
      const error = batch.length === 1 ? first : await this.write(records);
      if (error) reject(await this.nameTopic(error, records));
      else resolve();
    }
  }

  /** Where Kafka did not say which of several topics refused, they are sent one by one, those that are written already once more. */
  private async nameTopic(error: BelfryError, records: readonly OutgoingRecord[]): Promise<BelfryError> {
    if (error.code !== 'record_refused' || error.ids.topic !== undefined) return error;
    const byTopic = Map.groupBy(records, ({ topic }) => topic);
    for (const [topic, own] of byTopic) {
      const refused = byTopic.size === 1 ? error : await this.write(own);
      if (refused)
        return new BelfryError(refused.code, refused.message, { ...refused, cause: refused.cause, ids: { topic } });
    }
    return unavailable('Kafka refused the records once, then took them.', error);
  }

  /** Answers the error instead of throwing it. */
  private async write(records: readonly OutgoingRecord[]): Promise<BelfryError | undefined> {
    const { clock, log } = this.context;
    const gaveUp = new AbortController();
    try {
      if (this.closed) throw unavailable('This producer was closed.');
      await within(clock, SEND_MS, `sending ${records.length} records`, this.writeRounds(records, gaveUp.signal));
      return undefined;
    } catch (error) {
      gaveUp.abort();
      this.connection?.client.destroy();
      this.connection = undefined;
      log.debug({ err: error, records: records.length }, 'A send failed; its producer was discarded.');
      return this.context.told(error);
    }
  }

  private async writeRounds(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<void> {
    await this.catalog.requirePartitions(records);
    for (const round of roundsOf(records)) {
      // Given up meanwhile: nothing may be written behind the back of what follows.
      signal.throwIfAborted();
      const connection = await this.connect(signal);
      connection.records += round.length;
      const request = { acks: -1, timeout: REQUEST_MS, topicMessages: toTopicMessages(round) };
      requireAllAnswered(round, await connection.producer.sendBatch(request));
    }
  }

  private async disconnect(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (connection) await disconnectProducer(this.context, connection);
  }
}
