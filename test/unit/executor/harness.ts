/** A cluster in memory on a virtual clock: executors, a broker, a store, a timer that only brings retries back. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { MemoryBroker, type BrokerFaults } from '../../../services/adapters/memory/broker.ts';
import type { MemoryBrokerClient } from '../../../services/adapters/memory/broker-client.ts';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryRejections } from '../../../services/adapters/memory/rejections.ts';
import { MemoryRunStore } from '../../../services/adapters/memory/run-store.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { Records } from '../../../services/core/events.ts';
import { PRIORITIES, type Job } from '../../../services/core/model.ts';
import type { Ids } from '../../../services/core/ports/clock.ts';
import type { Log } from '../../../services/core/ports/log.ts';
import type { RunStore } from '../../../services/core/ports/run-store.ts';
import type { Tenants } from '../../../services/core/ports/tenants.ts';
import type { ConsumedRecord, DueRecord, Outcome } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { Executor } from '../../../services/executor/executor.ts';
import type { Handler, HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { LoopLeaseKeeper } from '../../../services/executor/lease.ts';
import { dueRecord } from '../../support/due.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

export type Handlers = Record<string, Handler | ((ctx: HandlerContext) => unknown)>;
type StoreFault = (method: string, when: 'before' | 'after', args: readonly unknown[]) => void | Promise<void>;

/** A dead run as it stands on its topic. */
export type DeadRecord = {
  error: { code: string; message: string };
  failures: { startedAt: string; finishedAt: string; error: { message: string } }[];
  originTopic: string;
};

export type NodeOptions = { slots?: number; name?: string; tenants?: Tenants; maxTimeoutMs?: number };

/** One executor process: it can be killed, and cut off from its servers. */
export type Node = {
  executor: Executor;
  name: string;
  fatal: Error[];
  /** Throws to make a store call fail before, or after, it took effect; what it answers is waited for. */
  storeFault: StoreFault | null;
  kill(): void;
  freeze(): void;
  thaw(): void;
};

export class Cluster {
  readonly clock = new VirtualClock();
  readonly topics = topicsOf('');
  readonly faults: BrokerFaults = {};
  readonly broker: MemoryBroker;
  readonly db: MemoryDatabase;
  readonly outcomes: Outcome[] = [];
  readonly dead: DeadRecord[] = [];
  readonly retries: DueRecord[] = [];
  readonly rejected: ConsumedRecord[] = [];
  readonly nodes: Node[] = [];
  private readonly records: Records;
  private readonly observer: MemoryBrokerClient;
  private made = 0;

  constructor(partitions = 4, limits: { maxRecordBytes?: number } = {}) {
    this.broker = new MemoryBroker({ clock: this.clock, faults: this.faults, ...limits });
    this.observer = this.broker.client('observer');
    this.db = new MemoryDatabase({ partitions, now: () => this.clock.now() });
    this.records = new Records({ topics: this.topics, partitions, codec: jsonCodec(), source: '/test' });
    for (const topic of [this.topics.retry, this.topics.completed, this.topics.dlq, this.topics.rejected]) {
      this.broker.createTopic(topic, partitions);
    }
    for (const priority of PRIORITIES) this.broker.createTopic(this.topics.due('default', priority), partitions);
    void this.observe();
  }

  start(handlers: Handlers, options: NodeOptions = {}): Node {
    const name = options.name ?? `node-${this.nodes.length + 1}`;
    const client = this.broker.client(name);
    const registry = new Map(
      Object.entries(handlers).map(([key, value]) => [key, typeof value === 'function' ? { run: value } : value]),
    );
    const state = { dead: false, frozen: Promise.resolve(), thaw: (): void => undefined };
    const fatal: Error[] = [];
    const store = this.storeOf(() => node.storeFault, state);
    const executor = new Executor({
      broker: client,
      store,
      records: this.records,
      keeper: new LoopLeaseKeeper({ store, clock: this.clock, log: silent }),
      clock: this.clock,
      ids: countingIds(this.nodes.length + 1),
      log: silent,
      handlers: registry,
      queue: 'default',
      worker: name,
      prefix: '',
      slots: options.slots ?? 10,
      ...(options.maxTimeoutMs && { maxTimeoutMs: options.maxTimeoutMs }),
      ...(options.tenants && { tenants: options.tenants }),
      rejections: new MemoryRejections(this.db),
      onFatal: (error) => {
        fatal.push(error);
        console.error(name, error);
      },
    });
    const node: Node = {
      executor,
      name,
      fatal,
      storeFault: null,
      kill: () => {
        state.dead = true;
        client.kill();
      },
      freeze: () => {
        state.frozen = new Promise((resolve) => (state.thaw = resolve));
        client.freeze();
      },
      thaw: () => {
        state.thaw();
        client.thaw();
      },
    };
    this.nodes.push(node);
    executor.start();
    return node;
  }

  due(changes: Partial<DueRecord> = {}): DueRecord {
    const scheduledFor = changes.scheduledFor ?? this.clock.now();
    const jobId = changes.jobId ?? `job-${++this.made}`;
    return dueRecord({ jobId, scheduledFor }, changes);
  }

  /** What a timer does: writes due records to their topic. */
  async fire(...dues: DueRecord[]): Promise<void> {
    const producer = await this.observer.producer();
    void producer.send(
      dues.map((due) =>
        this.records.due(this.topics.due(due.queue, due.priority), due.tenant, due.jobId, JSON.stringify(due)),
      ),
    );
  }

  /** What nobody but a timer should do: writes anything to a due topic. */
  async write(value: Buffer | null, key = 'acme/x'): Promise<void> {
    const topic = this.topics.due('default', 'medium');
    const producer = await this.observer.producer();
    void producer.send([{ topic, partition: 0, key: Buffer.from(key), value, headers: {} }]);
  }

  cancel(due: DueRecord): void {
    this.db.jobs.set(`${due.tenant}/${due.jobId}`, { cancelGen: due.cancelGen + 1 } as Job);
  }

  /** Resolves when they take work. */
  live(...nodes: Node[]): Promise<void> {
    return this.clock.until(() => nodes.every((node) => node.executor.ready().ok), 'executors are live');
  }

  running(due: DueRecord): Promise<void> {
    return this.clock.until(() => this.status(due) === 'RUNNING', `${due.jobId} runs`);
  }

  /** A handler that works so long, whatever its signal says. */
  sleeper(ms: number): () => Promise<void> {
    return () => this.clock.sleep(ms);
  }

  outcomeOf(due: DueRecord): Outcome | undefined {
    return this.outcomes.find((outcome) => outcome.runId === due.runId);
  }

  async untilOutcome(due: DueRecord, limitMs = 60_000): Promise<Outcome> {
    await this.clock.until(() => this.outcomeOf(due) !== undefined, `an outcome of ${due.jobId}`, limitMs);
    return this.outcomeOf(due) as Outcome;
  }

  status(due: DueRecord): string | undefined {
    return this.db.runs.get(due.runId)?.status;
  }

  /** The part of a due topic that no group offset covers. */
  uncommitted(priority: DueRecord['priority'] = 'medium'): number {
    const topic = this.topics.due('default', priority);
    return (this.broker.partitionLogs(topic) ?? []).reduce((sum, { partition, end }) => {
      const offset = this.broker.offsetOf(`belfry-executor-default-${priority}`, { topic, partition }) ?? 0n;
      return sum + Number(end - offset);
    }, 0);
  }

  async stop(): Promise<void> {
    const stopping = Promise.all(this.nodes.map((node) => node.executor.stop({ timeoutMs: 0 })));
    await this.clock.advance(60_000);
    await stopping;
  }

  private async observe(): Promise<void> {
    const codec = jsonCodec();
    const follow = (topic: string, take: (value: Buffer) => Promise<void> | void): Promise<unknown> =>
      this.observer.tail({
        topics: [topic],
        from: 'beginning',
        isolation: 'read_committed',
        onRecord: ({ value }) => void take(value as Buffer),
      });
    void this.observer.tail({
      topics: [this.topics.rejected],
      from: 'beginning',
      isolation: 'read_committed',
      onRecord: (record) => void this.rejected.push(record),
    });
    void follow(this.topics.completed, async (value) => void this.outcomes.push(await codec.decodeOutcome(value)));
    void follow(this.topics.dlq, (value) => void this.dead.push(JSON.parse(value.toString()) as DeadRecord));
    void follow(this.topics.retry, (value) => {
      const due = JSON.parse(value.toString()) as DueRecord;
      this.retries.push(due);
      if (!PRIORITIES.includes(due.priority)) return; // its topic is that of a newer release
      this.clock.after(due.dueAt - this.clock.now(), () => void this.fire(due));
    });
  }

  private storeOf(
    fault: () => StoreFault | null,
    state: { readonly dead: boolean; readonly frozen: Promise<void> },
  ): RunStore {
    const real = new MemoryRunStore(this.db, this.clock);
    return new Proxy(real, {
      get: (target, name: string) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return async (...args: unknown[]): Promise<unknown> => {
          if (state.dead) return new Promise(() => undefined);
          await state.frozen;
          await fault()?.(name, 'before', args);
          const answer: unknown = await Reflect.apply(method, target, args);
          await fault()?.(name, 'after', args);
          await state.frozen;
          return answer;
        };
      },
    });
  }
}

/** A handler that never ends. */
export const forever = (): Promise<void> => new Promise(() => undefined);

export function unavailable(): BelfryError {
  return new BelfryError('store_unavailable', 'the database is away', { retryable: true });
}

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields, message) => void (process.env.TEST_LOG && console.warn(message, fields)),
  error: (fields, message) => void (process.env.TEST_LOG && console.error(message, fields)),
  child: () => silent,
};

/** Gives each test a cluster of its own; afterwards it is stopped, and no executor may have given up. */
export function eachWithCluster(give: (cluster: Cluster) => void): void {
  let cluster: Cluster;
  beforeEach(() => give((cluster = new Cluster())));
  afterEach(async () => {
    await cluster.stop();
    for (const node of cluster.nodes) assert.deepEqual(node.fatal, []);
  });
}

function countingIds(node: number): Ids {
  let last = 0;
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return { uuid: () => `${hex(node, 8)}-0000-4000-8000-${hex(++last, 12)}`, random: () => 0.5 };
}
