/** Those who use Belfry: they send commands, and read answers, outcomes, dead runs and messages, as anybody may. */
import type { MemoryBroker } from '../../services/adapters/memory/broker.ts';
import type { MemoryBrokerClient } from '../../services/adapters/memory/broker-client.ts';
import { partitionOf } from '../../services/core/murmur2.ts';
import type { Producer } from '../../services/core/ports/broker.ts';
import type { ConsumedRecord, Outcome } from '../../services/core/records.ts';
import { jobKey, topicsOf } from '../../services/core/topics.ts';
import type { SentCommand } from '../checker/history.ts';
import { betterAnswer, eventOf, understood } from '../checker/observe.ts';
import { ORDERS, tenantOf, type Action } from '../support/life.ts';
import type { Plan } from './plan.ts';
import { Random } from '../support/random.ts';
import type { Recorder } from './recorder.ts';
import { codec } from './servers.ts';

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
  private producer: Producer | undefined;
  private count = 0;

  constructor(broker: MemoryBroker, recorder: Recorder, { seed, partitions }: Plan) {
    this.broker = broker;
    this.client = broker.client('client');
    this.recorder = recorder;
    this.partitions = partitions;
    this.random = new Random(`clients ${seed}`);
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

  send({ jobId, type, fields, copies, isCareless }: Action): void {
    const commandId = `c-${++this.count}`;
    const runId = type === 'replay' ? this.deadRunOf(jobId) : undefined;
    if (type === 'replay' && runId === undefined) return;
    const tenant = tenantOf(jobId);
    const value = {
      type,
      commandId,
      tenant,
      ...(type === 'emit' ? {} : { jobId }),
      ack: true,
      ...fields,
      ...(runId === undefined ? {} : { runId }),
    };
    const job = jobKey(tenant, jobId);
    this.sent.set(commandId, { commandId, job, type, ...understood(value), sentAt: this.recorder.now(), answer: null });
    this.recorder.trace('client', `sends ${type} ${commandId}`, { job, ...fields });
    for (let copy = 0; copy < copies; copy++) void this.write(job, JSON.stringify(value), isCareless);
  }

  /** Commands in the order of the log; those that never got there may have been sent in vain. */
  commands(): SentCommand[] {
    const logs = this.broker.partitionLogs(this.topics.commands) ?? [];
    const logged = logs.flatMap((log) => log.read(0n, 'read_uncommitted', Number.MAX_SAFE_INTEGER).records);
    // What timers send each other is not from here.
    const ids = new Set(logged.map(({ value }) => (JSON.parse(String(value)) as { commandId: string }).commandId));
    return [...ids].flatMap((id) => this.sent.get(id) ?? []);
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
