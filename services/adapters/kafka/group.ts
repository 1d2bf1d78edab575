/**
 * A consumer group's member that never gives up: session after session, each with a kafkajs client of its own, until it is
 * stopped or the listener is told that waiting changes nothing.
 */
import type { GroupConsumer, GroupOptions, TopicPartition } from '../../core/ports/broker.ts';
import type { Catalog } from './catalog.ts';
import type { Context } from './context.ts';
import { isProgrammingError, isWrongConfiguration } from './errors.ts';
import { GroupSession } from './group-session.ts';
import type { Membership, SessionListener } from './group-session.ts';

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 3_000;
/** kafkajs trips over its own state when a broker goes; a new client cures that, unless it happens again and again. */
const MAX_CRASHES = 5;

export class KafkaGroup implements GroupConsumer {
  private readonly context: Context;
  private readonly catalog: Catalog;
  private readonly options: GroupOptions;
  private readonly listener: SessionListener;
  private readonly membership: Membership = { memberId: null, generation: -1, owned: [] };
  private readonly stopping = new AbortController();
  private session: GroupSession | undefined;
  private running: Promise<void> | undefined;

  constructor(context: Context, catalog: Catalog, options: GroupOptions, listener: SessionListener) {
    this.context = context;
    this.catalog = catalog;
    this.options = options;
    this.listener = listener;
  }

  start(): Promise<void> {
    if (!this.stopping.signal.aborted) this.running ??= this.run();
    return Promise.resolve();
  }

  seek(tp: TopicPartition, offset: bigint): void {
    this.session?.seek(tp, offset);
  }

  pause(tps: readonly TopicPartition[]): void {
    for (const tp of tps) this.session?.pause(tp);
  }

  resume(tps: readonly TopicPartition[]): void {
    for (const tp of tps) this.session?.resume(tp);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.session?.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const { clock, log } = this.context;
    const { groupId, topics } = this.options;
    let backoffMs = FIRST_BACKOFF_MS;
    let crashes = 0;
    while (!signal.aborted) {
      this.session = new GroupSession(this.context, this.catalog, this.options, this.listener, this.membership);
      const error = await this.session.run();
      if (signal.aborted || this.session.broken) return;
      if (this.session.healthy) {
        backoffMs = FIRST_BACKOFF_MS;
        crashes = 0;
      }
      if (isProgrammingError(error)) crashes += 1;
      if (isWrongConfiguration(error) || crashes >= MAX_CRASHES) return this.listener.onFatal(error as Error);
      const told = this.context.told(error, { group: groupId, topic: topics.join(', ') });
      log.warn({ err: told, groupId, backoffMs }, 'A Kafka consumer ended and is started anew.');
      await clock.sleep(backoffMs, signal);
      backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS);
    }
  }
}
