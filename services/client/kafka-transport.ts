/** Commands on job.commands, answers from job.commands.acks, outcomes from job.completed. */
import { BelfryError } from '../core/errors.ts';
import { partitionOf } from '../core/murmur2.ts';
import type { Broker, Tail } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Codec } from '../core/ports/codec.ts';
import type { Log } from '../core/ports/log.ts';
import type { Ack, Outcome, OutgoingRecord } from '../core/records.ts';
import { jobKey, type Topics } from '../core/topics.ts';
import { Acks } from './acks.ts';
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

  constructor(deps: KafkaTransportDeps) {
    this.deps = deps;
    this.acks = new Acks({ ...deps, topic: deps.topics.acks });
    this.sender = new Sender(deps);
  }

  async send(written: WireCommand, timeoutMs: number, headers: Readonly<Record<string, string>> = {}): Promise<Ack> {
    const { tenant = DEFAULT_TENANT, commandId } = written;
    const jobId = written.event ?? written.jobId ?? ''; // an event's place is that of its name
    const record = { ...(await this.recordOf(tenant, jobId, { ...written, tenant, ack: true })), headers };
    await this.acks.open();
    const { answer, forget } = this.acks.wait({ tenant, jobId, commandId }, timeoutMs);
    answer.catch(() => undefined); // heard below; not unhandled when sending fails first
    try {
      await this.sender.send(record);
    } catch (error) {
      forget();
      throw error;
    }
    return answer;
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
      onRecord: ({ value }) => {
        if (value !== null) last = last.then(() => read(value)); // one after the other, in the order of the topic
      },
    });
    this.tails.add(tail);
    return async () => {
      this.tails.delete(tail);
      await tail.close();
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.tails].map((tail) => tail.close()));
    await this.acks.close();
    await this.sender.close();
    await this.deps.broker.close();
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
