/**
 * One lazily connected kafkajs admin client, replaced after every failure. Traps closed here:
 *
 * - Its list of topics grows with every question; one of them deleted later makes every metadata refresh fail, so a
 *   client that failed is not asked again.
 * - Errors of single brokers are swallowed inside it and come out as `null` or as a TypeError: any error is tried again
 *   with a new client, until the deadline.
 * - Its end of a log is that of a read_committed reader, before the first open transaction. The other one is known only to
 *   the cluster of a consumer that reads uncommitted, which kafkajs hands to partition assigners.
 */
import type { Admin, Cluster, Kafka } from 'kafkajs';
import type { Clock } from '../../core/ports/clock.ts';
import type { ErrorIds } from '../../core/errors.ts';
import { openClient } from './connect.ts';
import type { Context } from './context.ts';
import { isDenied, isHopeless, isWrongConfiguration, unavailable, within } from './errors.ts';

export const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';

const CALL_MS = 10_000;
const TRY_MS = 5_000;
const RETRY_AFTER_MS = 200;
const CLOSE_MS = 2_000;

type Connection = { admin: Admin; cluster: Cluster; ready: Promise<void>; destroy(): void };
type CallOptions = { final?: (error: unknown) => boolean; ids?: ErrorIds };
export type AdminWork<T> = (admin: Admin, uncommitted: Cluster) => Promise<T>;

export class AdminClient {
  private readonly context: Context;
  private current: Connection | undefined;
  private closed = false;

  constructor(context: Context) {
    this.context = context;
  }

  get clock(): Clock {
    return this.context.clock;
  }

  /**
   * Asks until there is an answer, 10 s at most.
   *
   * @param options `final`: errors that are answers, thrown as kafkajs made them; `ids`: what is asked for
   * @throws BelfryError `broker_unavailable`, `broker_denied`; and whatever is `final`
   */
  async call<T>(what: string, work: AdminWork<T>, { final, ids = {} }: CallOptions = {}): Promise<T> {
    const giveUpAt = this.clock.now() + CALL_MS;
    for (;;) {
      if (this.closed) throw unavailable('This broker client was closed.');
      const connection = (this.current ??= this.open());
      try {
        return await within(
          this.clock,
          TRY_MS,
          what,
          connection.ready.then(() => work(connection.admin, connection.cluster)),
        );
      } catch (error) {
        void this.discard(connection);
        if (final?.(error)) throw error;
        const hopeless = isHopeless(error) || isDenied(error) || isWrongConfiguration(error);
        if (hopeless || this.clock.now() + RETRY_AFTER_MS >= giveUpAt) throw this.context.told(error, ids);
        this.context.log.debug({ err: error }, `Kafka: ${what} failed and is tried again.`);
        await this.clock.sleep(RETRY_AFTER_MS);
      }
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.current) await this.discard(this.current);
  }

  private open(): Connection {
    const client = openClient(this.context.config, this.context.log, {
      requestTimeoutMs: TRY_MS,
      retry: { retries: 2 },
    });
    const admin = client.kafka.admin();
    return {
      admin,
      cluster: uncommittedCluster(client.kafka),
      ready: admin.connect(),
      destroy: () => client.destroy(),
    };
  }

  /** Lets other calls on it finish. */
  private discard(connection: Connection): Promise<void> {
    if (this.current === connection) this.current = undefined;
    const disconnected = Promise.all([connection.admin.disconnect(), connection.cluster.disconnect()]);
    return within(this.clock, CLOSE_MS, 'closing the admin client', disconnected)
      .then(() => undefined)
      .catch((error: unknown) => this.context.log.debug({ err: error }, 'A Kafka admin client did not close cleanly.'))
      .finally(() => connection.destroy());
  }
}

/** Not connected yet; the consumer itself is never used. */
function uncommittedCluster(kafka: Kafka): Cluster {
  let captured: Cluster | undefined;
  const capture = ({ cluster }: { cluster: Cluster }): object => {
    captured = cluster;
    return {};
  };
  kafka.consumer({
    groupId: 'never-joined',
    readUncommitted: true,
    allowAutoTopicCreation: false,
    partitionAssigners: [capture as never],
  });
  return captured as unknown as Cluster;
}
