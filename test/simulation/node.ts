/** A simulated process with a timer or an executor in it: the real code on the memory adapters. */
import { jsonCodec } from '../../services/adapters/codec/json-codec.ts';
import type { MemoryBroker } from '../../services/adapters/memory/broker.ts';
import type { MemoryDatabase } from '../../services/adapters/memory/database.ts';
import { MemoryRunStore } from '../../services/adapters/memory/run-store.ts';
import { MemoryTenants } from '../../services/adapters/memory/tenants.ts';
import { MemoryTimerStore } from '../../services/adapters/memory/timer-store.ts';
import { MemoryWebhooks } from '../../services/adapters/memory/webhooks.ts';
import { Records } from '../../services/core/events.ts';
import type { Broker } from '../../services/core/ports/broker.ts';
import type { Ids } from '../../services/core/ports/clock.ts';
import type { Log } from '../../services/core/ports/log.ts';
import type { RunStore } from '../../services/core/ports/run-store.ts';
import type { Tenants } from '../../services/core/ports/tenants.ts';
import type { EnqueuedListener, TimerStore } from '../../services/core/ports/timer-store.ts';
import type { Webhooks } from '../../services/core/ports/webhooks.ts';
import { topicsOf } from '../../services/core/topics.ts';
import { Executor } from '../../services/executor/executor.ts';
import { LoopLeaseKeeper } from '../../services/executor/lease.ts';
import { ClockSync } from '../../services/runtime/clock-sync.ts';
import { FailurePolicy } from '../../services/timer/failure-policy.ts';
import { Timer, type TimerLimits } from '../../services/timer/timer.ts';
import type { VirtualTime } from '../../services/adapters/virtual-time.ts';
import { handlersOf, type Calls } from './handlers.ts';
import { jumping } from './jump.ts';
import type { Mutation } from './mutation.ts';
import type { Seat } from './plan.ts';
import { Process } from './process.ts';
import { Random } from '../support/random.ts';
import { endless } from './endless.ts';
import { linked, type LinkOptions } from './store-link.ts';
import { skewed, type SkewOptions } from './skew.ts';
import { SOURCE } from '../support/life-sources.ts';

const HISTORY_MS = 30 * 86_400_000;
const MAX_SKEW_MS = 1_000;
const SMALL_STEPS: Partial<TimerLimits> = { perStep: 2, lookAhead: 6 };

/** What all processes share. */
export type Surroundings = {
  seed: number;
  partitions: number;
  sim: VirtualTime;
  broker: MemoryBroker;
  db: MemoryDatabase;
  mutation: Mutation | undefined;
  /** Whether anything is enqueued in transactions. */
  hasEnqueued: boolean;
  hasWebhooks: boolean;
  schedulesNext: boolean;
  /** Whether tenants have quotas, some time. */
  hasQuotas: boolean;
  /** Whether a few jobs are a flood. */
  hasFloods: boolean;
  /** How records of other releases come in; null: all are of this one. */
  skew: SkewOptions | null;
  calls: Calls;
  log(node: string, level: string, fields: object, message: string): void;
  onEffect: (call: string, args: readonly unknown[]) => void;
  onCommitted: (rows: readonly { runId: string }[]) => void;
  onFatal(node: string, error: Error): void;
};

/** What timers and executors are both given. */
type Shared = { broker: Broker; log: Log; tenants?: Tenants };
type TimerShare = Shared & { webhooks?: Webhooks };
export type Service = { start(): void; stop(): Promise<void> };
export type Node = { process: Process; seat: Seat; service: Service | undefined };

/** Starts a process; its service begins once its clock is set, as in production. */
export function startNode(name: string, seat: Seat, world: Surroundings): Node {
  const random = new Random(`${world.seed} ${name}`);
  const process = new Process(name, world.sim, random.int(-MAX_SKEW_MS, MAX_SKEW_MS), random);
  process.client = world.broker.client(name);
  const client = jumping(process.client, process);
  const spoken = world.mutation?.broker?.(client, world) ?? client;
  const broker = world.skew === null ? spoken : skewed(spoken, world.skew);
  const log = logOf(name, world);
  const link: LinkOptions = { process, sim: world.sim, onEffect: world.onEffect, onCommitted: world.onCommitted };
  const memoryTimers = endless(new MemoryTimerStore(world.db), world);
  const memoryRuns: RunStore = new MemoryRunStore(world.db, world.sim);
  const timerStore = linked(world.mutation?.timerStore?.(memoryTimers, world) ?? memoryTimers, link);
  const memoryTenants: Tenants = new MemoryTenants(world.db);
  const tenants = world.mutation?.tenants?.(memoryTenants, world) ?? memoryTenants;
  const memoryWebhooks: Webhooks = new MemoryWebhooks(world.db);
  const webhooks = world.mutation?.webhooks?.(memoryWebhooks, world) ?? memoryWebhooks;
  const shared: Shared = { broker, log, ...(world.hasQuotas && { tenants: linked(tenants, link) }) };
  const node: Node = { process, seat, service: undefined };
  const begin = async (): Promise<void> => {
    await new ClockSync(process.clock, () => timerStore.databaseNow(), log).start();
    if (seat.kind === 'timer') {
      const share = { ...shared, ...(world.hasWebhooks && { webhooks: linked(webhooks, link) }) };
      node.service = timerOf(process, timerStore, share, world);
    } else {
      const store = linked(world.mutation?.runStore?.(memoryRuns, world) ?? memoryRuns, link);
      node.service = executorOf(process, seat, store, shared, random, world);
    }
    node.service.start();
  };
  begin().catch((error: Error) => world.onFatal(name, error));
  return node;
}

function timerOf(process: Process, store: TimerStore, shared: TimerShare, world: Surroundings): Service {
  const timer = new Timer({
    ...shared,
    ...{ store, codec: jsonCodec(), clock: process.clock },
    prefix: '',
    partitions: world.partitions,
    instance: process.name,
    spec: { allowInlineSecrets: false, topicPrefix: '', allowTopics: null },
    historyMs: HISTORY_MS,
    eventSources: [SOURCE],
    failurePolicy: policyOf(shared.log, world),
    ...(world.hasFloods && { limits: SMALL_STEPS }),
    ...(world.hasEnqueued && { listenEnqueued: listenerOf(process, world) }),
    onFatal: (error) => world.onFatal(process.name, error),
  });
  return {
    start: () => void timer.start().catch((error: Error) => world.onFatal(process.name, error)),
    stop: () => timer.stop(),
  };
}

/** Notices go the way of answers of the store; those that come while that is cut are lost. */
function listenerOf(process: Process, { db, sim }: Surroundings): EnqueuedListener {
  return (onEnqueued) =>
    db.listen((partition) => {
      if (!process.links.store.isCut) sim.after(1, () => process.hear(() => onEnqueued(partition)));
    });
}

function executorOf(
  process: Process,
  seat: Seat,
  store: RunStore,
  shared: Shared,
  random: Random,
  world: Surroundings,
): Service {
  const { clock } = process;
  const { partitions } = world;
  const executor = new Executor({
    ...shared,
    ...{ store, clock },
    records: new Records({ topics: topicsOf(''), partitions, codec: jsonCodec(), source: '/simulation' }),
    keeper: new LoopLeaseKeeper({ store, clock, log: shared.log }),
    ids: idsOf(process.name, random),
    handlers: handlersOf(process, world, seat.isLimited),
    queue: 'default',
    worker: process.name,
    prefix: '',
    slots: seat.slots,
    onFatal: (error) => world.onFatal(process.name, error),
  });
  return {
    start: () => executor.start(),
    stop: () => executor.stop({ timeoutMs: 1_000 }),
  };
}

function idsOf(name: string, random: Random): Ids {
  let last = 0;
  return { uuid: () => `${name}-${++last}`, random: () => random.next() };
}

function policyOf(log: Log, { mutation }: Surroundings): FailurePolicy {
  const policy = new FailurePolicy(log);
  return mutation?.failurePolicy?.(policy) ?? policy;
}

function logOf(node: string, world: Surroundings): Log {
  const log: Log = {
    debug: () => undefined,
    info: (fields, message) => world.log(node, 'info', fields, message),
    warn: (fields, message) => world.log(node, 'warn', fields, message),
    error: (fields, message) => world.log(node, 'error', fields, message),
    child: () => log,
  };
  return log;
}
