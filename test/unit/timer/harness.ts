/** A cluster in memory on a virtual clock: timers, a broker, a store, and a test in the place of clients and executors. */
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { MemoryBroker, type BrokerFaults } from '../../../services/adapters/memory/broker.ts';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryTimerStore } from '../../../services/adapters/memory/timer-store.ts';
import { MemoryTenants } from '../../../services/adapters/memory/tenants.ts';
import { MemoryWebhooks } from '../../../services/adapters/memory/webhooks.ts';
import type { Webhooks } from '../../../services/core/ports/webhooks.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { outcomeOf, Records } from '../../../services/core/events.ts';
import { PRIORITIES, type Job, type TerminalStatus } from '../../../services/core/model.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import type { Log } from '../../../services/core/ports/log.ts';
import type { PartitionStep, TimerStore } from '../../../services/core/ports/timer-store.ts';
import type { Ack, ConsumedRecord, DueRecord, Outcome, OutgoingRecord } from '../../../services/core/records.ts';
import { jobKey, topicsOf } from '../../../services/core/topics.ts';
import { Timer, type TimerLimits } from '../../../services/timer/timer.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** One timer process. */
export type Node = { timer: Timer; name: string; fatal: Error[]; kill(): void; freeze(): void; thaw(): void };
type StoreFault = (node: string, method: string, when: 'before' | 'after', args: readonly unknown[]) => void;

export const P = 4;

/** Nobody may ask for the time again and again without letting the event loop turn: such a loop holds up everything else. */
class WatchedClock extends VirtualClock {
  private asked = 0;

  override now(): number {
    if (this.asked === 0) setImmediate(() => (this.asked = 0));
    if (++this.asked > MOST_ASKED) throw new Error('a loop goes round without a turn of the event loop');
    return super.now();
  }
}
/** Far more than a step of 500 inputs asks. */
const MOST_ASKED = 50_000;

export class Cluster {
  readonly clock = new WatchedClock();
  readonly topics = topicsOf('');
  readonly faults: BrokerFaults = {};
  readonly broker = new MemoryBroker({ clock: this.clock, faults: this.faults });
  readonly db = new MemoryDatabase({ partitions: P, now: () => this.clock.now() });
  readonly codec = jsonCodec();
  readonly records = new Records({ topics: this.topics, partitions: P, codec: this.codec, source: '/test' });
  /** Throws to make a store call fail before, or after, it took effect. */
  storeFault: StoreFault | null = null;
  /** Throws to make a reading of webhooks fail, or lets it wait. */
  webhooksFault: (() => Promise<void>) | null = null;
  private hangs: (steps: readonly PartitionStep[]) => Promise<void> = async () => {};
  private refuses: (step: PartitionStep) => BelfryError | undefined = () => undefined;
  /** All due records as they were produced, repeats included. */
  readonly dues: (DueRecord & { at: number })[] = [];
  readonly outcomes: Outcome[] = [];
  readonly acks: Ack[] = [];
  readonly rejected: ConsumedRecord[] = [];
  readonly messages: ConsumedRecord[] = [];
  readonly dead: ConsumedRecord[] = [];
  readonly nodes: Node[] = [];
  private readonly client = this.broker.client('test');
  private commands = 0;

  constructor() {
    const { commands, retry, completed, dlq, rejected, acks } = this.topics;
    const due = PRIORITIES.map((priority) => this.topics.due('default', priority));
    for (const topic of [commands, retry, completed, dlq, rejected, acks, ...due]) this.broker.createTopic(topic, P);
    this.broker.createTopic('orders', 3);
  }

  /** Starts a cluster with one timer that has all partitions. */
  static async up(limits: Partial<TimerLimits> = {}): Promise<Cluster> {
    const cluster = new Cluster();
    const observing = cluster.observe();
    await cluster.clock.advance(1);
    await observing;
    const node = cluster.start(limits);
    await cluster.until(() => node.timer.ready().ok, 'the timer is ready');
    return cluster;
  }

  start(limits: Partial<TimerLimits> = {}): Node {
    const name = `timer-${this.nodes.length + 1}`;
    const client = this.broker.client(name);
    const state = { dead: false, frozen: Promise.resolve(), thaw: (): void => undefined };
    const fatal: Error[] = [];
    const timer = new Timer({
      broker: client,
      store: this.storeOf(name, state),
      codec: this.codec,
      clock: this.clock,
      log: silent,
      prefix: '',
      partitions: P,
      instance: name,
      spec: { allowInlineSecrets: false, topicPrefix: '', allowTopics: null },
      historyMs: 30 * 86_400_000,
      limits: { leadMs: 0, ...limits },
      webhooks: this.webhooks(),
      tenants: new MemoryTenants(this.db),
      onFatal: (error) => fatal.push(error),
    });
    const node: Node = {
      timer,
      name,
      fatal,
      kill: () => {
        state.dead = true;
        client.kill();
      },
      freeze: () => {
        ({ promise: state.frozen, resolve: state.thaw } = Promise.withResolvers<void>());
        client.freeze();
      },
      thaw: () => {
        state.thaw();
        client.thaw();
      },
    };
    this.nodes.push(node);
    void timer.start();
    return node;
  }

  /** Stops a timer. Its last records take time, which moves on only where somebody moves it. */
  async stop(node: Node): Promise<void> {
    let stopped = false;
    const stopping = node.timer.stop().finally(() => (stopped = true));
    await this.until(() => stopped, `${node.name} has stopped`);
    await stopping;
  }

  /** Sends a command; answers its id. */
  async send(command: Record<string, unknown>, headers: Record<string, string> = {}): Promise<string> {
    const commandId = (command.commandId as string | undefined) ?? `c-${++this.commands}`;
    const value = { tenant: 'acme', jobId: 'job', ack: true, ...command, commandId };
    await this.raw(jobKey(value.tenant, value.jobId), JSON.stringify(value), { headers });
    return commandId;
  }

  schedule(job: Record<string, unknown>, command: Record<string, unknown> = {}): Promise<string> {
    const custom = { type: 'CUSTOM', handler: 'work', payload: { n: 1 } };
    return this.send({ type: 'schedule', job: { ...custom, ...job }, ...command });
  }

  async raw(
    key: string | null,
    value: string,
    options: { partition?: number; headers?: Record<string, string> } = {},
  ): Promise<void> {
    const producer = await this.client.producer();
    const partition = options.partition ?? partitionOf(key ?? '', P);
    const record = {
      topic: this.topics.commands,
      partition,
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(value),
    };
    void producer.send([{ ...record, headers: options.headers ?? {} }]);
  }

  /** Sends a command and waits for its answer. */
  async ask(command: Record<string, unknown>): Promise<Ack> {
    const commandId = await this.send(command);
    return this.answer(commandId);
  }

  /** Emits an event and waits for the answer. */
  async emit(event: string, eventId: string, payload: unknown = null): Promise<Ack> {
    const commandId = `c-${++this.commands}`;
    const value = { type: 'emit', commandId, tenant: 'acme', event, eventId, payload, ack: true };
    await this.raw(jobKey('acme', event), JSON.stringify(value));
    return this.answer(commandId);
  }

  /** Schedules a job and waits for the answer. */
  async put(job: Record<string, unknown>, command: Record<string, unknown> = {}): Promise<Ack> {
    return this.answer(await this.schedule(job, command));
  }

  async answer(commandId: string, count = 1): Promise<Ack> {
    const found = (): Ack[] => this.acks.filter((ack) => ack.commandId === commandId);
    await this.until(() => found().length >= count, `an answer to ${commandId}`);
    return found().at(-1)!;
  }

  /** An executor settles a run and tells of its end. */
  async finish(due: DueRecord, status: TerminalStatus = 'COMPLETED'): Promise<void> {
    const outcome = outcomeOf(due, status, this.clock.now(), 'executor');
    this.record(due, status);
    void (await this.client.producer()).send([this.records.outcome(outcome, due.tracked)]);
  }

  /** An executor settles a run; nobody hears of it. */
  record(due: DueRecord, status: TerminalStatus): void {
    const { runId, tenant, jobId, scheduledFor, idempotencyKey, replayOf, attempt } = due;
    this.db.runs.set(runId, {
      ...{ runId, tenant, jobId, status, scheduledFor, idempotencyKey, replayOf, attempt, token: 1, lost: 0 },
      ...{ executor: null, worker: 'executor', nonce: null, startedAt: this.clock.now(), finishedAt: this.clock.now() },
      ...{ retryAt: null, result: null, resultTruncated: false, error: null, reason: null, progress: null },
      due: status === 'FAILED' ? due : null,
    });
  }

  /** Somebody writes a record. */
  async publish(record: OutgoingRecord): Promise<void> {
    void (await this.client.producer()).send([record]);
  }

  async retry(due: DueRecord, inMs: number): Promise<void> {
    const next = { ...due, attempt: due.attempt + 1, dueAt: this.clock.now() + inMs };
    void (await this.client.producer()).send([this.records.retry(next)]);
  }

  /** The store refuses the data of this job. */
  poison(jobId: string): { refusals: number } {
    const count = { refusals: 0 };
    this.refuse((step) => {
      if (!step.jobs.some((job) => job.jobId === jobId)) return undefined;
      count.refusals++;
      return new BelfryError('bad_data', 'poison');
    });
    return count;
  }

  /** Such steps get no answer for so long, and are given up then. */
  hang(isSlow: (steps: readonly PartitionStep[]) => boolean, ms: number): void {
    this.hangs = async (steps) => {
      if (!isSlow(steps)) return;
      await this.clock.sleep(ms);
      throw new BelfryError('step_unclear', 'the statement took too long', { retryable: true });
    };
  }

  /** Steps fail with what this answers of one of their partitions. */
  refuse(of: (step: PartitionStep) => BelfryError | undefined): void {
    this.refuses = of;
  }

  job(jobId = 'job'): Job {
    const job = this.db.jobs.get(`acme/${jobId}`);
    if (job === undefined) throw new Error(`no job ${jobId}`);
    return job;
  }

  get timers(): number {
    return [...this.db.timers.values()].reduce((sum, rows) => sum + rows.length, 0);
  }

  /** Statuses of the rows that the timer wrote itself, by scheduled time. */
  runs(): { status: string; scheduledFor: number; reason: string | null }[] {
    const rows = [...this.db.runs.values()].map(({ status, scheduledFor, reason }) => ({
      status,
      scheduledFor,
      reason,
    }));
    return rows.sort((a, b) => a.scheduledFor - b.scheduledFor);
  }

  async until(condition: () => boolean, what: string, limitMs?: number): Promise<void> {
    await this.clock.until(condition, what, limitMs);
  }

  async dueCount(count: number, limitMs?: number): Promise<void> {
    await this.until(() => this.dues.length >= count, `${count} due records (there are ${this.dues.length})`, limitMs);
  }

  private async observe(): Promise<void> {
    const { completed, acks, rejected, dlq } = this.topics;
    const due = PRIORITIES.map((priority) => this.topics.due('default', priority));
    const onRecord = (record: ConsumedRecord): void => {
      if (due.includes(record.topic))
        this.dues.push({ ...(JSON.parse(String(record.value)) as DueRecord), at: this.clock.now() });
      else if (record.topic === completed)
        void this.codec.decodeOutcome(record.value!).then((o) => this.outcomes.push(o));
      else if (record.topic === acks) void this.codec.decodeAck(record.value!).then((ack) => this.acks.push(ack));
      else if (record.topic === rejected) this.rejected.push(record);
      else if (record.topic === dlq) this.dead.push(record);
      else this.messages.push(record);
    };
    const topics = [completed, acks, rejected, dlq, 'orders', ...due];
    await this.client.tail({ topics, from: 'beginning', isolation: 'read_committed', onRecord });
  }

  private webhooks(): Webhooks {
    const store = new MemoryWebhooks(this.db);
    const listening = async (): ReturnType<Webhooks['listening']> => {
      await this.webhooksFault?.();
      return store.listening();
    };
    return new Proxy<Webhooks>(store, {
      get: (target, name) => (name === 'listening' ? listening : (Reflect.get(target, name) as unknown)),
    });
  }

  private storeOf(node: string, state: { dead: boolean; frozen: Promise<void> }): TimerStore {
    const store = new MemoryTimerStore(this.db);
    return new Proxy(store, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return async (...args: unknown[]): Promise<unknown> => {
          await state.frozen;
          if (state.dead) return new Promise(() => {});
          this.storeFault?.(node, String(name), 'before', args);
          for (const step of name === 'step' ? (args[0] as PartitionStep[]) : []) {
            const refusal = this.refuses(step);
            if (refusal !== undefined) throw refusal;
          }
          if (name === 'step') await this.hangs(args[0] as PartitionStep[]);
          const result: unknown = await Reflect.apply(method, target, args);
          await state.frozen;
          if (state.dead) return new Promise(() => {});
          this.storeFault?.(node, String(name), 'after', args);
          return result;
        };
      },
    });
  }
}

export const silent: Log = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => process.env.TEST_LOG && console.warn(message, fields),
  error: (fields, message) => process.env.TEST_LOG && console.error(message, fields),
  child: () => silent,
};
