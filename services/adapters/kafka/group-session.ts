/**
 * One kafkajs consumer's life, from its first join to its end; group.ts starts another when it ends. kafkajs's own restart
 * is off: it keeps a client whose state is unknown, and refuses to restart on errors that pass.
 *
 * Invariant: the listener hears of an assignment before any of its batches, and of its loss (`onAssignment([])`) once,
 * before or when the consumer ends; after that, nothing.
 *
 * Traps closed here:
 * - No revoke hook: each GROUP_JOIN brings the whole assignment; CRASH, STOP and DISCONNECT lose everything.
 * - Every join rewinds retained partitions to the committed offset: each is placed by a seek inside GROUP_JOIN, which
 *   kafkajs emits before it fetches. The committed position is read by us (kafkajs reads it some time later, and a batch
 *   under way from before the join could not be told from a new one), the partition paused until then.
 * - Seeks of partitions that are not assigned stay behind and act at a later assignment: only assigned ones are passed on.
 * - Batches of nothing but markers never reach `eachBatch`: START_BATCH_PROCESS tells of them.
 * - Batches of a former assignment, and jumps after OFFSET_OUT_OF_RANGE: positions.ts.
 * - HEARTBEAT may answer one sent before a rejoin: none counts while a join is under way.
 * - `stop` while the first join is under way leaves a consumer that joins afterwards: the client is destroyed at the end.
 * - It may hang for ever in a rejoin: without a sign of life for some sessions it is replaced.
 */
import type { Consumer, ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs';
import type { GroupListener, GroupOptions, TopicPartition } from '../../core/ports/broker.ts';
import { stickyAssigner } from './assigner-protocol.ts';
import type { Catalog } from './catalog.ts';
import { openClient } from './connect.ts';
import type { KafkaClient } from './connect.ts';
import type { Context } from './context.ts';
import { toFetchedBatch } from './fetched-batch.ts';
import { unavailable, within } from './errors.ts';
import { Positions } from './positions.ts';

const REQUEST_MS = 6_000;
const REBALANCE_MS = 6_000;
const HEARTBEAT_MS = 500;
/** kafkajs's 5 s would delay heartbeats, rebalances and resumed partitions. */
const MAX_WAIT_MS = 250;
const STOP_MS = 5_000;
const CRASH_FOLLOWS_MS = 3_000;
const COMMITTED_AGAIN_MS = 250;

/** What outlives a session: the sticky assignor's memory, and who its consumer was. */
export type Membership = { memberId: string | null; generation: number; owned: readonly TopicPartition[] };

export type SessionListener = GroupListener & {
  /** The position moved past markers or aborted records. */
  onSkip?(tp: TopicPartition, nextOffset: bigint): void;
};

export class GroupSession {
  private readonly context: Context;
  private readonly catalog: Catalog;
  private readonly options: GroupOptions;
  private readonly listener: SessionListener;
  private readonly membership: Membership;
  private readonly client: KafkaClient;
  private readonly consumer: Consumer;
  private readonly positions = new Positions();
  private readonly ended = Promise.withResolvers<unknown>();
  private beginning: Promise<unknown> = Promise.resolve();
  private over = false;
  private joins = 0;
  private joining = true;
  /** Joined and heard of at least once: what fails now did work. */
  healthy = false;
  /** The listener threw, and was told that this is the end. */
  broken = false;
  private aliveAt: number;

  constructor(
    context: Context,
    catalog: Catalog,
    options: GroupOptions,
    listener: SessionListener,
    membership: Membership,
  ) {
    this.context = context;
    this.catalog = catalog;
    this.options = options;
    this.listener = listener;
    this.membership = membership;
    this.aliveAt = context.clock.now();
    this.client = openClient(context.config, context.log, { requestTimeoutMs: REQUEST_MS });
    this.consumer = this.client.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: Math.min(HEARTBEAT_MS, Math.floor(options.sessionTimeoutMs / 3)),
      maxWaitTimeInMs: MAX_WAIT_MS,
      ...(options.fetchBytes !== undefined && { maxBytesPerPartition: options.fetchBytes }),
      allowAutoTopicCreation: false,
      readUncommitted: options.isolation === 'read_uncommitted',
      retry: { restartOnFailure: () => Promise.resolve(false) },
      partitionAssigners: [
        stickyAssigner({
          copartitioned: options.copartitioned,
          memberId: membership.memberId,
          onJoin: () => {
            this.joining = true;
            const { generation, owned } = membership;
            return { memberName: options.memberName, generation, owned };
          },
        }),
      ],
    });
  }

  /** Consumes until it fails or is stopped; answers why. */
  async run(): Promise<unknown> {
    this.listen();
    const watch = this.watch();
    try {
      this.beginning = this.begin();
      await Promise.race([this.beginning, this.ended.promise]);
      return await this.ended.promise;
    } catch (error) {
      return error;
    } finally {
      watch();
      this.lose();
      this.client.destroy();
    }
  }

  async stop(): Promise<void> {
    this.lose();
    const { clock, log } = this.context;
    // kafkajs leaves only a group that it has joined.
    const leave = Promise.allSettled([this.beginning]).then(() => this.consumer.disconnect());
    await within(clock, STOP_MS, 'leaving a group', leave).catch((error: unknown) =>
      log.debug({ err: error }, 'A Kafka consumer did not leave its group cleanly.'),
    );
    this.ended.resolve(undefined);
  }

  seek(tp: TopicPartition, offset: bigint): void {
    if (this.over || !this.positions.place(tp, offset)) return;
    this.consumer.seek({ ...tp, offset: String(offset) });
    this.open(tp);
  }

  pause(tp: TopicPartition): void {
    if (!this.over && this.positions.setPaused(tp, true)) this.consumer.pause([inKafkaJs(tp)]);
  }

  resume(tp: TopicPartition): void {
    if (!this.over && this.positions.setPaused(tp, false)) this.open(tp);
  }

  private async begin(): Promise<void> {
    await this.consumer.connect();
    // Earliest: a position that is gone must be noticed as records from elsewhere, not as silence.
    await this.consumer.subscribe({ topics: [...this.options.topics], fromBeginning: true });
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => Promise.resolve(this.guard(() => this.onBatch(payload))),
    });
  }

  private listen(): void {
    const { consumer } = this;
    const on = consumer.events;
    consumer.on(on.GROUP_JOIN, ({ payload }) => this.guard(() => this.onJoin(payload)));
    consumer.on(on.HEARTBEAT, ({ payload }) => this.guard(() => this.onHeartbeat(payload.groupGenerationId)));
    consumer.on(on.START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) this.guard(() => this.onFiltered(payload));
    });
    consumer.on(on.CRASH, (event: ConsumerCrashEvent) => this.ended.resolve(event.payload.error));
    for (const event of [on.STOP, on.DISCONNECT]) {
      consumer.on(event, () => {
        this.lose();
        // A crash is told only after the disconnection, or not at all.
        const reason = unavailable('A Kafka consumer stopped by itself.');
        this.context.clock.after(CRASH_FOLLOWS_MS, () => this.ended.resolve(reason));
      });
    }
  }

  private onJoin({ memberId, memberAssignment }: ConsumerGroupJoinEvent['payload']): void {
    if (this.over) return;
    this.membership.memberId = memberId;
    this.joins += 1;
    this.joining = false;
    this.aliveAt = this.context.clock.now();
    const parts = Object.entries(memberAssignment)
      .flatMap(([topic, partitions]) => partitions.map((partition) => ({ topic, partition })))
      .sort((a, b) => a.partition - b.partition || (a.topic < b.topic ? -1 : 1));
    this.membership.owned = parts;
    this.positions.assign(parts);
    this.consumer.pause(parts.map(inKafkaJs));
    this.listener.onAssignment(parts);
    const committed: TopicPartition[] = [];
    for (const tp of parts) {
      const position = this.listener.position(tp);
      if (typeof position === 'bigint') this.seek(tp, position);
      else if (position === 'committed') committed.push(tp);
    }
    if (committed.length > 0) void this.placeAtCommitted(committed, this.joins);
  }

  private async placeAtCommitted(parts: readonly TopicPartition[], join: number): Promise<void> {
    const current = (): boolean => !this.over && join === this.joins;
    while (current()) {
      try {
        const starts = await this.catalog.startOf(this.options.groupId, parts);
        if (!current()) return;
        for (const [tp, offset] of starts) if (this.positions.isHeld(tp)) this.seek(tp, offset);
        return;
      } catch (error) {
        this.context.log.warn(
          { err: error, groupId: this.options.groupId },
          'The committed positions of a group could not be read.',
        );
        await this.context.clock.sleep(COMMITTED_AGAIN_MS);
      }
    }
  }

  private onHeartbeat(generation: number): void {
    if (this.over || this.joining) return;
    this.aliveAt = this.context.clock.now();
    this.membership.generation = generation;
    this.healthy = true;
    this.listener.onHeartbeat?.();
  }

  private onFiltered(batch: { topic: string; partition: number; firstOffset: string; lastOffset: string }): void {
    const { topic, partition, firstOffset, lastOffset } = batch;
    // kafkajs has no first offset for a batch that lies wholly before the position asked for.
    if (this.over || typeof firstOffset !== 'string') return;
    if (!this.positions.skip({ topic, partition }, BigInt(firstOffset), BigInt(lastOffset))) return;
    this.listener.onSkip?.({ topic, partition }, BigInt(lastOffset) + 1n);
  }

  private onBatch(payload: EachBatchPayload): void {
    const { batch } = payload;
    const { topic, partition } = batch;
    const { fetchedOffset } = batch as unknown as { fetchedOffset: string };
    if (this.over || payload.isStale()) return;
    const lastOffset = BigInt(batch.lastOffset());
    const judged = this.positions.judge({ topic, partition }, BigInt(fetchedOffset), lastOffset);
    if (judged.verdict === 'refetch') this.consumer.seek({ topic, partition, offset: String(judged.from) });
    if (judged.verdict !== 'accept') return;
    // Before the listener is asked: it may seek elsewhere. kafkajs moves on behind trailing markers by itself.
    payload.resolveOffset(batch.messages.at(-1)?.offset ?? batch.lastOffset());
    this.listener.onBatch(toFetchedBatch(batch, judged.from, lastOffset + 1n));
  }

  private open(tp: TopicPartition): void {
    if (this.positions.isOpen(tp)) this.consumer.resume([inKafkaJs(tp)]);
  }

  /** Tells the listener, once, that nothing is held any more. */
  private lose(): void {
    if (this.over) return;
    this.over = true;
    if (this.positions.assigned.length === 0) return;
    this.positions.assign([]);
    try {
      this.listener.onAssignment([]);
    } catch (error) {
      this.listener.onFatal(error as Error);
    }
  }

  /** A listener that throws is broken: kafkajs would swallow it, or crash with the batch half handed over. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.broken = true;
      this.lose();
      this.listener.onFatal(error as Error);
      this.ended.resolve(error);
    }
  }

  private watch(): () => void {
    const { clock } = this.context;
    const limitMs = 3 * this.options.sessionTimeoutMs + 2 * REBALANCE_MS;
    let cancel = (): void => undefined;
    const check = (): void => {
      const silentMs = clock.now() - this.aliveAt;
      if (silentMs > limitMs)
        this.ended.resolve(unavailable(`A Kafka consumer gave no sign of life for ${silentMs} ms.`));
      else cancel = clock.after(this.options.sessionTimeoutMs, check);
    };
    check();
    return () => cancel();
  }
}

function inKafkaJs({ topic, partition }: TopicPartition): { topic: string; partitions: number[] } {
  return { topic, partitions: [partition] };
}
