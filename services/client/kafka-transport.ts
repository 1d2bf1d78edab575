/** Commands on job.commands, answers from job.commands.acks, outcomes from job.completed. */
import { closeAll } from '../core/close-all.ts';
import { BelfryError } from '../core/errors.ts';
import { partitionOf } from '../core/murmur2.ts';
import type { Broker, Tail } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ack, Outcome, OutgoingRecord } from '../core/records.ts';
import { jobKey, type Topics } from '../core/topics.ts';
import { Acks } from './acks.ts';
import { Delivery, SAFE_TO_REPEAT, type TooLate } from './delivery.ts';
import { Sender } from './sender.ts';
import { isWanted, type OutcomeFilter, type Transport, type WireCommand } from './transport.ts';

const DEFAULT_TENANT = 'default';

export type KafkaTransportDeps = { broker: Broker; codec: Codec; clock: Clock; log: Log; topics: Topics };

export class KafkaTransport implements Transport {
  readonly tenant = DEFAULT_TENANT;
  private readonly deps: KafkaTransportDeps;
  private readonly acks: Acks;
  private readonly sender: Sender;
  private readonly tails = new Set<Tail>();
  private readonly underWay = new Set<Delivery>();

  constructor(deps: KafkaTransportDeps) {
    this.deps = deps;
    this.acks = new Acks({ ...deps, topic: deps.topics.acks });
    this.sender = new Sender(deps);
  }

  /**
   * Connects ahead of the first command, which does so itself where this was not called, and asks Kafka whether it is there.
   * @throws BelfryError `broker_unavailable`, `not_migrated`, `closed`
   */
  async open(): Promise<void> {
    await Promise.all([this.acks.open(), this.sender.open(), this.partitionsOf(this.deps.topics.commands)]);
  }

  send(command: WireCommand, timeoutMs: number, headers: Readonly<Record<string, string>> = {}): Promise<Ack> {
    const { clock, topics } = this.deps;
    const delivery = new Delivery(clock, command.commandId, timeoutMs, tooLate(topics.commands));
    this.underWay.add(delivery);
    delivery.onEnd(() => this.underWay.delete(delivery));
    this.deliver(command, headers, delivery).catch((error: unknown) => delivery.fail(error));
    return delivery.ended;
  }

  async onOutcome(hear: (outcome: Outcome) => void, filter: OutcomeFilter): Promise<() => Promise<void>> {
    const { broker, codec, log, topics } = this.deps;
    await this.partitionsOf(topics.completed); // a reader of a topic that is not there would wait for ever
    let last: Promise<void> = Promise.resolve();
    const read = async (value: Buffer): Promise<void> => {
      try {
        const outcome = await codec.decodeOutcome(value);
        if (isWanted(filter, outcome)) hear(outcome);
      } catch (error) {
        log.error({ err: error }, 'an outcome could not be handed to its listener');
      }
    };
    const tail = await broker.tail({
      topics: [topics.completed],
      from: 'end',
      isolation: 'read_committed',
      // One after the other, in the order of the topic.
      onRecord: ({ value }) => (value === null ? undefined : (last = last.then(() => read(value)))),
    });
    this.tails.add(tail);
    return async () => {
      this.tails.delete(tail);
      await tail.close();
    };
  }

  /** Whatever fails, all of it is closed. */
  async close(): Promise<void> {
    for (const delivery of this.underWay) delivery.close();
    const tails = [...this.tails].map((tail) => () => tail.close());
    // At once: what waits for Kafka to come back ends when the broker is closed.
    await closeAll([...tails, () => this.acks.close(), () => this.sender.close(), () => this.deps.broker.close()]);
  }

  private async deliver(
    written: WireCommand,
    headers: Readonly<Record<string, string>>,
    delivery: Delivery,
  ): Promise<void> {
    const { tenant = DEFAULT_TENANT, commandId } = written;
    const jobId = written.event ?? written.jobId ?? ''; // an event's place is that of its name
    const record = await this.recordOf(tenant, jobId, { ...written, tenant, ack: true });
    await this.acks.open();
    if (delivery.isOver) return;
    this.acks.expect({ tenant, jobId, commandId, type: written.type }, delivery);
    this.sender.send({ ...record, headers }, delivery);
  }

  private async recordOf(tenant: string, jobId: string, command: object): Promise<OutgoingRecord> {
    const { codec, topics } = this.deps;
    const partitions = await this.partitionsOf(topics.commands);
    const key = jobKey(tenant, jobId);
    return {
      topic: topics.commands,
      partition: partitionOf(key, partitions),
      key: Buffer.from(key),
      value: codec.encodeCommand(command),
      headers: {},
    };
  }

  private async partitionsOf(topic: string): Promise<number> {
    const partitions = await this.deps.broker.partitions(topic);
    if (partitions !== undefined) return partitions;
    throw new BelfryError(
      'not_migrated',
      `The topic ${topic} does not exist: run "belfry migrate", or check KAFKA_BROKERS and BELFRY_TOPIC_PREFIX.`,
    );
  }
}

function tooLate(topic: string): TooLate {
  return (stage, timeoutMs) => {
    if (stage === 'waiting')
      return [
        'broker_unavailable',
        `Kafka could not be reached within ${timeoutMs} ms: the command was not sent. Check KAFKA_BROKERS and that Kafka runs.`,
      ];
    if (stage === 'sent')
      return [
        'broker_unavailable',
        `Kafka did not confirm the command within ${timeoutMs} ms: it may have been written, and may be applied. ${SAFE_TO_REPEAT}`,
      ];
    return [
      'no_answer',
      `No answer came within ${timeoutMs} ms. The command is on ${topic}: it may have been applied already, or will be when a timer service runs. ${SAFE_TO_REPEAT}`,
    ];
  };
}
