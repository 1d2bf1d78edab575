/**
 * Topics of the user's own whose records are events (`BELFRY_EVENT_SOURCES`): each record becomes an emit.
 *
 * Invariants: emits and the group's position move in one transaction, so no record is passed over; a record's event id is its place, so
 * that one which is passed on twice (after a rebalance, by a process that was replaced and does not know it) is one event. A timer
 * reads emits of transactions that did not commit, too: their record was there.
 */
import type { Records } from '../core/events.ts';
import type { Broker, FetchedBatch, GroupConsumer, TopicPartition } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ConsumedRecord, OutgoingRecord } from '../core/records.ts';
import { readJsonBytes } from '../core/spec/json.ts';
import { MAX_PAYLOAD_BYTES } from '../core/spec/payload.ts';
import { Relay } from './relay.ts';

export type EventSource = { topic: string; tenant: string; event: string };

export type EventSourcesOptions = {
  broker: Broker;
  clock: Clock;
  log: Log;
  records: Records;
  prefix: string;
  instance: string;
  sources: readonly EventSource[];
  onFatal: (error: Error) => void;
};

const SESSION_TIMEOUT_MS = 6_000;

/** `next` is where the partition goes on; undefined: where the group says. */
type Followed = { tp: TopicPartition; next: bigint | undefined };

export class EventSources {
  private readonly options: EventSourcesOptions;
  private readonly byTopic: ReadonlyMap<string, EventSource>;
  private readonly consumer: GroupConsumer;
  private readonly relay: Relay;
  /** The assigned partitions. */
  private readonly followed = new Map<string, Followed>();

  constructor(options: EventSourcesOptions) {
    this.options = options;
    this.byTopic = new Map(options.sources.map((source) => [source.topic, source]));
    const { broker, clock, log, instance, prefix, onFatal } = options;
    const groupId = groupOf(prefix);
    this.relay = new Relay({
      ...{ broker, clock, log, groupId },
      transactionalId: () => `${prefix}belfry-events-${instance}`,
      recordOf: (record) => this.emitOf(record),
      rejected: (record, message) => options.records.rejected(record, { code: 'invalid', message }),
      isWanted: (batch) => this.followed.has(placeOf(batch)),
    });
    this.consumer = broker.group(
      {
        groupId,
        topics: [...this.byTopic.keys()],
        memberName: instance,
        copartitioned: false,
        isolation: 'read_committed',
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
      },
      {
        onAssignment: (assignment) => this.assigned(assignment),
        position: () => 'committed',
        onBatch: (batch) => this.accept(batch),
        onFatal,
      },
    );
    this.relay.attach(this.consumer);
  }

  start(): Promise<void> {
    return this.consumer.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.relay.close(), this.consumer.stop()]);
  }

  /**
   * Reads again what lies behind the group's positions: a process that stood still in the middle of its transaction moves one back, when
   * it goes on, to where its successor has been. Its records are the same events, as long as their ids are remembered; so it must not
   * stay there until the next rebalance.
   */
  async reconcile(): Promise<void> {
    for (const [place, { tp, next }] of [...this.followed]) {
      const committed = await this.options.broker.committed(groupOf(this.options.prefix), tp);
      const now = this.followed.get(place);
      const isIdle = this.relay.held === 0 && now !== undefined && now.next === next;
      if (!isIdle || committed === undefined || (next !== undefined && committed >= next)) continue;
      if (next !== undefined) now.next = committed;
      this.consumer.seek(tp, committed);
    }
  }

  /** A rejoin goes back to the group's position. */
  private assigned(assignment: readonly TopicPartition[]): void {
    this.followed.clear();
    for (const tp of assignment) this.followed.set(placeOf(tp), { tp, next: undefined });
  }

  private accept(batch: FetchedBatch): void {
    const place = placeOf(batch);
    const followed = this.followed.get(place);
    if (followed === undefined) return;
    const { next } = followed;
    if (next !== undefined && batch.fetchedOffset > next) return this.consumer.seek(batch, next);
    followed.next = batch.nextOffset;
    void this.relay.accept(batch);
  }

  private emitOf(record: ConsumedRecord): OutgoingRecord {
    const { tenant, event } = this.byTopic.get(record.topic)!;
    const eventId = `${record.topic}-${record.partition}-${record.offset}`;
    return this.options.records.emit(
      { tenant, event, eventId, payload: payloadOf(record) },
      record.headers.traceparent,
    );
  }
}

/** `value`, or `base64` of what is no JSON or would not stay what it is, with `key` and `headers`; of what is too large for an event, its size alone. */
function payloadOf({ key, value, headers }: ConsumedRecord): object {
  const payload = { ...contentOf(value), key: key?.toString() ?? null, headers };
  if (Buffer.byteLength(JSON.stringify(payload)) <= MAX_PAYLOAD_BYTES) return payload;
  return { tooLargeBytes: value?.length ?? 0 };
}

function contentOf(value: Buffer | null): { value: unknown } | { base64: string } {
  if (value === null) return { value: null };
  const read = readJsonBytes(value);
  return 'fault' in read ? { base64: value.toString('base64') } : read;
}

function groupOf(prefix: string): string {
  return `${prefix}belfry-events`;
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
