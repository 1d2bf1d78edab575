/** Those who use Belfry: they send commands, and read answers, outcomes, dead runs and messages, as anybody may. */
import type { MemoryBroker } from '../../services/adapters/memory/broker.ts';
import type { MemoryBrokerClient } from '../../services/adapters/memory/broker-client.ts';
import { partitionOf } from '../../services/core/murmur2.ts';
import type { Producer } from '../../services/core/ports/broker.ts';
import type { EnqueuedCommandInput } from '../../services/core/ports/run-store.ts';
import type { ConsumedRecord, Outcome } from '../../services/core/records.ts';
import { jobKey, topicsOf } from '../../services/core/topics.ts';
import type { SentCommand } from '../checker/history.ts';
import { betterAnswer, emitOf, eventOf, understood } from '../checker/observe.ts';
import { ORDERS, type Action } from '../support/life.ts';
import { SOURCE, type SourceRecord } from '../support/life-sources.ts';
import { commandOf, tenantOf } from '../support/lives.ts';
import type { Plan } from './plan.ts';
import { Random } from '../support/random.ts';
import { POISON_HEADER, type PoisonRecord } from '../support/poison.ts';
import type { Recorder } from './recorder.ts';
import { codec } from './servers.ts';
import type { Transactions } from './transactions.ts';

const TRY_AGAIN_MS = 400;

export class Clients {
  readonly acks: { commandId: string; outcome: string; text: string }[] = [];
  private readonly sent = new Map<string, SentCommand>();
  private readonly broker: MemoryBroker;
  private readonly client: MemoryBrokerClient;
  private readonly recorder: Recorder;
  private readonly partitions: number;
  private readonly random: Random;
  private readonly topics = topicsOf('');
  private readonly enqueued: ReadonlySet<string>;
  private readonly transactions: Transactions;
  private producer: Producer | undefined;
  private count = 0;
  private readonly first = new Map<string, number>();
  private readonly loggedTo = new Map<number, bigint>();

  constructor(broker: MemoryBroker, transactions: Transactions, recorder: Recorder, plan: Plan) {
    const { seed, partitions, enqueued } = plan;
    this.broker = broker;
    this.client = broker.client('client');
    this.recorder = recorder;
    this.partitions = partitions;
    this.random = new Random(`clients ${seed}`);
    this.enqueued = new Set(enqueued);
    this.transactions = transactions;
  }

  async start(): Promise<void> {
    this.producer = await this.client.producer();
    const { acks, completed, dlq } = this.topics;
    await this.client.tail({
      topics: [acks, completed, dlq, ORDERS],
      from: 'beginning',
      isolation: 'read_committed',
      onRecord: (record) => void this.read(record),
    });
  }

  send(action: Action): void {
    const { jobId, type, fields, copies, isCareless } = action;
    const commandId = `c-${++this.count}`;
    const runId = type === 'replay' ? this.deadRunOf(jobId) : undefined;
    if (type === 'replay' && runId === undefined) return;
    const value = commandOf(action, commandId, runId) as EnqueuedCommandInput;
    const job = jobKey(tenantOf(jobId), jobId);
    this.sent.set(commandId, { commandId, job, type, ...understood(value), sentAt: this.recorder.now(), answer: null });
    this.recorder.trace('client', `sends ${type} ${commandId}`, { job, ...fields });
    if (this.enqueued.has(jobId)) return this.transactions.enqueue(job, value, copies);
    for (let copy = 0; copy < copies; copy++) void this.write(job, JSON.stringify(value), isCareless);
  }

  /** A plain producer writes to the topic whose records are events. */
  produce({ partition, value }: SourceRecord): void {
    const record = { topic: SOURCE.topic, partition, key: null, value: Buffer.from(value), headers: {} };
    this.recorder.trace('producer', `writes to ${SOURCE.topic}/${partition}`, { value });
    void this.producer!.send([record]);
  }

  /** Somebody writes what nobody can apply. */
  poison({ topic, at: _, ...record }: PoisonRecord): void {
    this.recorder.trace('poison', `writes to ${topic}/${record.partition}`, { value: String(record.value) });
    void this.producer!.send([{ ...record, topic: this.topics[topic] }]);
  }

  /** Commands in the order of the log, or of their commits; those that never got there may have been sent in vain. */
  commands(): SentCommand[] {
    // What timers send each other is not from here.
    return [...this.logged().keys(), ...this.transactions.committed].flatMap((id) => this.sent.get(id) ?? []);
  }

  /** Ids of commands that were refused, as the topic of the rejected has them. */
  rejected(): string[] {
    const records = this.recordsOf(this.topics.rejected).filter(isSent);
    return records.map(({ value }) => (JSON.parse(String(value)) as { commandId?: string }).commandId ?? String(value));
  }

  /** Records of the source, as the emits that they are. */
  emits(): SentCommand[] {
    const logged = this.logged();
    return this.recordsOf(SOURCE.topic).map((record) => emitOf(record, SOURCE, logged));
  }

  /** Ids of commands, with the first time of each on the topic. Asked often: what was read stays. */
  private logged(): ReadonlyMap<string, number> {
    for (const log of this.broker.partitionLogs(this.topics.commands) ?? []) {
      const from = this.loggedTo.get(log.partition) ?? 0n;
      const { records, next } = log.read(from, 'read_uncommitted', Number.MAX_SAFE_INTEGER);
      this.loggedTo.set(log.partition, next);
      for (const { value, timestampMs } of records.filter(isSent)) {
        const { commandId } = JSON.parse(String(value)) as { commandId: string };
        if (!this.first.has(commandId)) this.first.set(commandId, timestampMs);
      }
    }
    return this.first;
  }

  private recordsOf(topic: string): ConsumedRecord[] {
    const logs = this.broker.partitionLogs(topic) ?? [];
    return logs.flatMap((log) => log.read(0n, 'read_uncommitted', Number.MAX_SAFE_INTEGER).records);
  }

  /** Trouble on the way of a client is that of any producer: what failed may have been written. */
  private async write(job: string, value: string, isCareless: boolean): Promise<void> {
    const record = {
      topic: this.topics.commands,
      partition: partitionOf(job, this.partitions),
      key: Buffer.from(job),
      value: Buffer.from(value),
      headers: {},
    };
    const dice = this.random.next();
    if (dice > 0.04) await this.producer!.send([record]);
    if (dice > 0.08 || isCareless) return;
    await new Promise<void>((resolve) => this.broker.clock.after(TRY_AGAIN_MS, resolve));
    await this.write(job, value, isCareless);
  }

  private deadRunOf(jobId: string): string | undefined {
    const failed = this.recorder.events.filter(
      ({ job, status }) => status === 'FAILED' && job === jobKey(tenantOf(jobId), jobId),
    );
    return failed.length === 0 ? undefined : this.random.pick(failed).runId;
  }

  private async read(record: ConsumedRecord): Promise<void> {
    if (!isSent(record)) return;
    const { acks, completed, dlq } = this.topics;
    if (record.topic === completed) this.heard(await codec.decodeOutcome(record.value!));
    else if (record.topic === acks) await this.answered(record);
    else if (record.topic === dlq) this.recorder.dead.push({ runId: record.headers.belfry_run_id! });
    else this.message(record);
  }

  private async answered({ value, timestampMs }: ConsumedRecord): Promise<void> {
    const ack = await codec.decodeAck(value!);
    const { commandId, outcome, job } = ack;
    this.acks.push({ commandId, outcome, text: String(value) });
    this.recorder.trace('client', `${commandId} is ${outcome}`, job ?? {});
    const command = this.sent.get(commandId);
    if (command !== undefined) command.answer = betterAnswer(command.answer, ack, timestampMs);
  }

  private heard(outcome: Outcome): void {
    const event = eventOf(outcome);
    this.recorder.events.push(event);
    this.recorder.trace('subscriber', `${event.status} ${event.job}`, {
      runId: event.runId,
      attempt: event.attempt,
      reason: outcome.reason ?? undefined,
    });
  }

  private message({ headers, timestampMs }: ConsumedRecord): void {
    const runId = headers.belfry_run_id!;
    this.recorder.messages.push({ runId, at: timestampMs });
    this.recorder.trace('subscriber', 'message', { runId });
  }
}

function isSent({ headers }: ConsumedRecord): boolean {
  return headers[POISON_HEADER] === undefined;
}
