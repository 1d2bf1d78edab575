/**
 * Topics of the user's own whose records are events (`BELFRY_EVENT_SOURCES`): each record becomes an emit.
 *
 * Invariants: emits and the group's position move in one transaction, so no record is passed over; a record's event id is its place, so
 * that one which is passed on twice (after a rebalance, by a process that was replaced and does not know it) is one event. A timer
 * reads emits of transactions that did not commit, too: their record was there.
 */
import { messageOf } from '../core/errors.ts';
import { partitionOf } from '../core/murmur2.ts';
import type {
  Broker,
  FetchedBatch,
  GroupConsumer,
  TopicPartition,
  TransactionalProducer,
} from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ConsumedRecord, OutgoingRecord } from '../core/records.ts';
import { MAX_PAYLOAD_BYTES } from '../core/spec/payload.ts';
import { jobKey, type Topics } from '../core/topics.ts';
import { backoffMs } from './backoff.ts';

export type EventSource = { topic: string; tenant: string; event: string };

export type EventSourcesOptions = {
  broker: Broker;
  clock: Clock;
  log: Log;
  topics: Topics;
  partitions: number;
  prefix: string;
  instance: string;
  sources: readonly EventSource[];
  onFatal: (error: Error) => void;
};

const SESSION_TIMEOUT_MS = 6_000;
/** Batches in memory at which their partitions are held back. */
const MOST_HELD = 8;

export class EventSources {
  private readonly options: EventSourcesOptions;
  private readonly byTopic: ReadonlyMap<string, EventSource>;
  private readonly consumer: GroupConsumer;
  /** Where each assigned partition goes on; undefined: where the group says. */
  private readonly next = new Map<string, bigint | undefined>();
  private readonly paused = new Map<string, TopicPartition>();
  private producer: Promise<TransactionalProducer> | undefined;
  private held = 0;
  private last: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(options: EventSourcesOptions) {
    this.options = options;
    this.byTopic = new Map(options.sources.map((source) => [source.topic, source]));
    const { broker, instance, prefix, onFatal } = options;
    this.consumer = broker.group(
      {
        groupId: groupOf(prefix),
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
  }

  start(): Promise<void> {
    return this.consumer.start();
  }

  async stop(): Promise<void> {
    this.closed = true;
    await this.consumer.stop();
    await this.last;
    await (await this.producer)?.close();
  }

  /**
   * Reads again what lies behind the group's positions: a process that stood still in the middle of its transaction moves one back, when
   * it goes on, to where its successor has been. Its records are the same events, as long as their ids are remembered; so it must not
   * stay there until the next rebalance.
   */
  async reconcile(): Promise<void> {
    for (const [place, next] of [...this.next]) {
      const tp = topicPartitionOf(place);
      const committed = await this.options.broker.committed(groupOf(this.options.prefix), tp);
      const isIdle = this.held === 0 && this.next.has(place) && this.next.get(place) === next;
      if (!isIdle || committed === undefined || (next !== undefined && committed >= next)) continue;
      if (next !== undefined) this.next.set(place, committed);
      this.consumer.seek(tp, committed);
    }
  }

  private ready(): Promise<TransactionalProducer> {
    const { broker, prefix, instance } = this.options;
    return (this.producer ??= broker.transactional(`${prefix}belfry-events-${instance}`));
  }

  private async discard(): Promise<void> {
    const former = this.producer;
    this.producer = undefined;
    await former?.then((producer) => producer.close()).catch(() => undefined);
  }

  /** A rejoin goes back to the group's position. */
  private assigned(assignment: readonly TopicPartition[]): void {
    this.next.clear();
    this.paused.clear();
    for (const tp of assignment) this.next.set(placeOf(tp), undefined);
  }

  private accept(batch: FetchedBatch): void {
    const place = placeOf(batch);
    if (!this.next.has(place)) return;
    const expected = this.next.get(place);
    if (expected !== undefined && batch.fetchedOffset > expected) return this.consumer.seek(batch, expected);
    this.next.set(place, batch.nextOffset);
    this.held++;
    if (this.held >= MOST_HELD) {
      this.paused.set(place, batch);
      this.consumer.pause([batch]);
    }
    this.last = this.last.then(() => this.passOn(batch));
  }

  private async passOn(batch: FetchedBatch): Promise<void> {
    const { clock, log, prefix } = this.options;
    const { topic, partition, nextOffset: offset } = batch;
    const records = batch.records.map((record) => this.emitOf(record));
    for (let failures = 1; !this.closed && this.next.has(placeOf(batch)); failures++) {
      try {
        await (await this.ready()).transact(records, [{ groupId: groupOf(prefix), topic, partition, offset }]);
        break;
      } catch (thrown) {
        log.warn(
          { topic, partition, reason: messageOf(thrown) },
          'emitting the records of a topic failed; trying again',
        );
        await this.discard();
        await clock.sleep(backoffMs(failures));
      }
    }
    this.held--;
    if (this.held > MOST_HELD / 2 || this.paused.size === 0) return;
    this.consumer.resume([...this.paused.values()]);
    this.paused.clear();
  }

  private emitOf(record: ConsumedRecord): OutgoingRecord {
    const { topics, partitions } = this.options;
    const { tenant, event } = this.byTopic.get(record.topic)!;
    const eventId = `${record.topic}-${record.partition}-${record.offset}`;
    // Repeats are known by the event's id; that of the command is for people.
    const command = {
      type: 'emit',
      commandId: eventId.slice(-128),
      tenant,
      event,
      eventId,
      payload: payloadOf(record),
    };
    const key = jobKey(tenant, event);
    const { traceparent } = record.headers;
    return {
      ...{ topic: topics.commands, partition: partitionOf(key, partitions), key: Buffer.from(key) },
      value: Buffer.from(JSON.stringify(command)),
      headers: { 'content-type': 'application/json', ...(traceparent === undefined ? {} : { traceparent }) },
    };
  }
}

/** `value`, or `base64` of what is no JSON, with `key` and `headers`; of what is too large for an event, its size alone. */
function payloadOf({ key, value, headers }: ConsumedRecord): object {
  const payload = { ...contentOf(value), key: key?.toString() ?? null, headers };
  if (Buffer.byteLength(JSON.stringify(payload)) <= MAX_PAYLOAD_BYTES) return payload;
  return { tooLargeBytes: value?.length ?? 0 };
}

function contentOf(value: Buffer | null): { value: unknown } | { base64: string } {
  if (value === null) return { value: null };
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value)) as unknown };
  } catch {
    return { base64: value.toString('base64') };
  }
}

function groupOf(prefix: string): string {
  return `${prefix}belfry-events`;
}

function topicPartitionOf(place: string): TopicPartition {
  const slash = place.lastIndexOf('/');
  return { topic: place.slice(0, slash), partition: Number(place.slice(slash + 1)) };
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
