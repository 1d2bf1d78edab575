/** The broker port on Kafka, by kafkajs. What each trap of kafkajs is closed by stands in the header of its file. */
import type {
  Broker,
  Denial,
  GroupConsumer,
  GroupListener,
  GroupOptions,
  Producer,
  Tail,
  TailOptions,
  TopicPartition,
  TransactionalProducer,
} from '../../core/ports/broker.ts';
import { closeAll } from '../../core/close-all.ts';
import type { Clock, Ids } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import { SystemClock } from '../clock.ts';
import { RandomIds } from '../ids.ts';
import { AdminClient } from './admin-client.ts';
import { Catalog } from './catalog.ts';
import type { KafkaConfig } from './connect.ts';
import { Context } from './context.ts';
import { isWrongConfiguration, unavailable } from './errors.ts';
import { KafkaGroup } from './group.ts';
import { KafkaProducer } from './producer.ts';
import { openTail } from './tail.ts';
import { KafkaTransactionalProducer } from './transactional.ts';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 3_000;
const DEFAULT_GROUP_PREFIX = 'belfry-';

export type KafkaBrokerOptions = { config: KafkaConfig; log: Log; clock?: Clock; ids?: Ids };

export class KafkaBroker implements Broker {
  private readonly context: Context;
  private readonly ids: Ids;
  private readonly admin: AdminClient;
  private readonly catalog: Catalog;
  private readonly closing = new AbortController();
  /** Everything that is open. */
  private readonly opened = new Set<() => Promise<void>>();

  constructor({ config, log, clock = new SystemClock(), ids = new RandomIds() }: KafkaBrokerOptions) {
    this.context = new Context({ config, log, clock });
    this.ids = ids;
    this.admin = new AdminClient(this.context);
    this.catalog = new Catalog(this.admin);
  }

  /** @throws BelfryError `broker_unavailable` only when it was closed; what is wrong with the configuration */
  async producer(): Promise<Producer> {
    const producer = new KafkaProducer(this.context, this.catalog);
    await this.waitFor(() => producer.connect());
    return this.closedWithUs(producer);
  }

  async transactional(transactionalId: string): Promise<TransactionalProducer> {
    const producer = new KafkaTransactionalProducer(this.context, this.catalog, transactionalId);
    await this.waitFor(() => producer.connect());
    return this.closedWithUs(producer);
  }

  async fence(transactionalId: string): Promise<void> {
    const producer = new KafkaTransactionalProducer(this.context, this.catalog, transactionalId);
    try {
      await producer.init();
    } finally {
      await producer.close();
    }
  }

  group(options: GroupOptions, listener: GroupListener): GroupConsumer {
    const group = new KafkaGroup(this.context, this.catalog, options, listener);
    const close = this.closedLast(() => group.stop());
    return {
      start: () => group.start(),
      seek: (tp, offset) => group.seek(tp, offset),
      pause: (tps) => group.pause(tps),
      resume: (tps) => group.resume(tps),
      stop: close,
    };
  }

  async tail(options: TailOptions): Promise<Tail> {
    const groupId = `${this.context.config.groupPrefix ?? DEFAULT_GROUP_PREFIX}tail-${this.ids.uuid()}`;
    return this.closedWithUs(await openTail(this.context, this.catalog, groupId, options));
  }

  partitions(topic: string): Promise<number | undefined> {
    return this.catalog.partitions(topic);
  }

  async committed(groupId: string, { topic, partition }: TopicPartition): Promise<bigint | undefined> {
    return (await this.catalog.committed(groupId, topic)).get(partition);
  }

  logRange(topic: string): Promise<ReadonlyMap<number, { first: bigint; end: bigint }>> {
    return this.catalog.logRange(topic);
  }

  /** What this process is denied at present, as far as it needs it. */
  get denials(): readonly Denial[] {
    return this.context.denials.current();
  }

  /** Producers, consumers and tails that are open. */
  get open(): number {
    return this.opened.size;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await closeAll([...this.opened, () => this.admin.close()]);
  }

  /** Tries with backoff for ever: lost servers are waited for. */
  private async waitFor(connect: () => Promise<unknown>): Promise<void> {
    const { signal } = this.closing;
    const { clock, log } = this.context;
    for (let backoffMs = FIRST_BACKOFF_MS; !signal.aborted; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
      try {
        await connect();
        return;
      } catch (error) {
        const told = this.context.told(error);
        if (isWrongConfiguration(error)) throw told;
        log.warn({ err: told, backoffMs }, 'Waiting for Kafka.');
        await clock.sleep(backoffMs, signal);
      }
    }
    throw unavailable('This broker client was closed.');
  }

  /** The part itself, which is closed with us unless its holder closes it before. */
  private closedWithUs<Part extends { close(): Promise<void> }>(part: Part): Part {
    const close = part.close.bind(part);
    part.close = this.closedLast(close);
    return part;
  }

  /** Remembers what is open, and forgets it when it is closed: a process opens any number of producers while it lives. */
  private closedLast(close: () => Promise<void>): () => Promise<void> {
    const closeAndForget = async (): Promise<void> => {
      await close().finally(() => this.opened.delete(closeAndForget));
    };
    this.opened.add(closeAndForget);
    return closeAndForget;
  }
}
