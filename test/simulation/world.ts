/** Everything in one process on one clock: servers, services, clients, subscribers, and what is written down of them. */
import { MemoryBroker, type BrokerRequest } from '../../services/adapters/memory/broker.ts';
import { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryTenants } from '../../services/adapters/memory/tenants.ts';
import { MemoryWebhooks } from '../../services/adapters/memory/webhooks.ts';
import { PRIORITIES } from '../../services/core/model.ts';
import { topicsOf } from '../../services/core/topics.ts';
import { Clients } from './clients.ts';
import { VirtualTime } from '../../services/adapters/virtual-time.ts';
import type { Mutation } from './mutation.ts';
import { startNode, type Node, type Surroundings } from './node.ts';
import { START_AT, type Plan } from './plan.ts';
import type { Process } from './process.ts';
import { Recorder } from './recorder.ts';
import { ORDERS } from '../support/life.ts';
import { SOURCE, SOURCE_PARTITIONS } from '../support/life-sources.ts';
import type { QuotaChange } from '../support/quotas.ts';
import type { PlannedWebhook } from '../support/webhooks.ts';
import { away } from './servers.ts';
import { Transactions } from './transactions.ts';

const SLOW_REQUEST_MS = 400;

export class World {
  readonly sim = new VirtualTime(START_AT);
  readonly topics = topicsOf('');
  readonly plan: Plan;
  readonly broker: MemoryBroker;
  readonly db: MemoryDatabase;
  readonly recorder: Recorder;
  readonly transactions: Transactions;
  readonly clients: Clients;
  readonly nodes: Node[] = [];
  private readonly surroundings: Surroundings;
  private readonly processes = new Map<string, Process>();
  private readonly started: number[] = [];
  private readonly takenListeners = new Set<(partition: number) => void>();

  constructor(plan: Plan, options: { mutation?: Mutation; isTraced?: boolean } = {}) {
    this.plan = plan;
    const { sim } = this;
    const faults = {
      before: (client: string, request: BrokerRequest) => this.onRequest(client, request, 'before'),
      after: (client: string, request: BrokerRequest) => this.onRequest(client, request, 'after'),
    };
    this.broker = new MemoryBroker({ clock: sim, faults, latencyMs: 1 });
    this.db = new MemoryDatabase({ partitions: plan.partitions, now: () => sim.now() });
    this.recorder = new Recorder(sim, this.db, options.isTraced ?? false);
    this.makeTopics();
    this.transactions = new Transactions(this.db, sim, plan.seed);
    this.clients = new Clients(this.broker, this.transactions, this.recorder, plan);
    const { recorder } = this;
    this.surroundings = {
      seed: plan.seed,
      partitions: plan.partitions,
      ...{ sim, broker: this.broker, db: this.db, mutation: options.mutation },
      hasEnqueued: plan.enqueued !== null,
      hasWebhooks: plan.webhooks.length > 0,
      schedulesNext: plan.enqueued !== null && plan.quotas.every(({ quotas }) => quotas.jobs === null),
      hasQuotas: plan.quotas.length > 0,
      hasFloods: plan.hasFloods,
      skew: plan.isMixed ? { ...{ seed: plan.seed, topics: this.topics }, onDropped: recorder.dropped } : null,
      calls: recorder,
      log: (node, level, fields, message) => recorder.said(node, level, fields, message),
      onEffect: (call, args) => {
        recorder.effect(call, args);
        if (call === 'take') for (const tell of [...this.takenListeners]) tell(args[0] as number);
      },
      onCommitted: (rows) => recorder.writes.push(...rows),
      onFatal: (node, error) => recorder.fatal(node, error),
    };
  }

  /** Whoever runs Belfry gives a tenant other quotas. */
  async limit({ tenant, quotas }: QuotaChange): Promise<void> {
    this.recorder.trace('operator', `limits ${tenant}`, quotas);
    await new MemoryTenants(this.db).set(tenant, quotas);
  }

  /** Somebody makes a webhook, and perhaps removes it later. */
  async hook({ tenant, id, until, from, statuses, jobs }: PlannedWebhook): Promise<void> {
    this.recorder.trace('operator', `makes the webhook ${id} of ${tenant}`, { statuses, jobs });
    const webhooks = new MemoryWebhooks(this.db);
    const fields = {
      statuses,
      jobs,
      handlers: [],
      labels: {},
      url: 'https://hooks.test/',
      disabled: false,
      secret: '',
    };
    await webhooks.create({ tenant, id, ...fields }, Infinity);
    if (until === null) return;
    await this.sim.sleep(until - from);
    this.recorder.trace('operator', `removes the webhook ${id} of ${tenant}`);
    await webhooks.remove(tenant, id);
  }

  /** Puts a new process into a seat. */
  start(seat: number): void {
    const count = (this.started[seat] ?? 0) + 1;
    this.started[seat] = count;
    const { kind } = this.plan.seats[seat]!;
    const name = `${kind}-${seat}${count === 1 ? '' : `.${count}`}`;
    this.recorder.trace(name, 'starts');
    const node = startNode(name, this.plan.seats[seat]!, this.surroundings);
    this.processes.set(name, node.process);
    this.nodes[seat] = node;
  }

  /** @returns stops telling of partitions that a timer takes */
  onTaken(listener: (partition: number) => void): () => void {
    this.takenListeners.add(listener);
    return () => this.takenListeners.delete(listener);
  }

  private makeTopics(): void {
    const { commands, retry, completed, dlq, rejected, acks } = this.topics;
    const due = PRIORITIES.map((priority) => this.topics.due('default', priority));
    for (const topic of [commands, retry, completed, dlq, rejected, acks, ...due]) {
      this.broker.createTopic(topic, this.plan.partitions);
    }
    this.broker.createTopic(ORDERS, 2);
    this.broker.createTopic(SOURCE.topic, SOURCE_PARTITIONS);
  }

  private async onRequest(client: string, request: BrokerRequest, when: 'before' | 'after'): Promise<void> {
    const process = this.processes.get(client);
    if (process === undefined) return;
    process.spring('broker', request, when);
    const link = process.links.broker;
    if (link.isCut && when === 'before') {
      await process.untilHealed('broker');
      if (process.random.chance(0.5)) throw away();
    }
    if (link.delayMs > 0 && process.random.chance(0.3)) await this.sim.sleep(process.random.int(1, SLOW_REQUEST_MS));
    const share = when === 'before' ? link.refuse : link.loseAnswer;
    if (share > 0 && process.random.chance(share)) throw away();
  }
}
