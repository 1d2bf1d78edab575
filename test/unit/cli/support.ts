/** The command line on fakes: what it prints, what it sends, how it ends. */
import assert from 'node:assert/strict';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryAudit } from '../../../services/adapters/memory/audit.ts';
import type { Actor } from '../../../services/core/audit.ts';
import { MemoryRejections } from '../../../services/adapters/memory/rejections.ts';
import { MemoryTenants } from '../../../services/adapters/memory/tenants.ts';
import { MemoryWebhooks } from '../../../services/adapters/memory/webhooks.ts';
import { MemoryApiKeys } from '../../../services/adapters/memory/api-keys.ts';
import { directBackend } from '../../../services/cli/backend-direct.ts';
import type { CliDeps } from '../../../services/cli/deps.ts';
import { runCli } from '../../../services/cli/program.ts';
import type { BelfryClient } from '../../../services/client/client.ts';
import type { Broker } from '../../../services/core/ports/broker.ts';
import type { CommandResult } from '../../../services/client/types.ts';
import type {
  DeadRunSummary,
  InspectedJob,
  Inspect,
  RunDetail,
  RunSummary,
  SystemState,
} from '../../../services/core/ports/inspect.ts';
import type { Log } from '../../../services/core/ports/log.ts';
import type { Outcome } from '../../../services/core/records.ts';
import { parseJobSpec } from '../../../services/core/spec/parse-command.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { readConfig } from '../../../services/runtime/config.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

export const ME: Actor = { kind: 'cli', id: null, name: 'ada@host' };
export const NOW = Date.UTC(2026, 0, 1, 12);
const SERVERS = { KAFKA_BROKERS: 'localhost:9092', DATABASE_URL: 'postgres://localhost/belfry' };
export const RUN_ID = '019b7a5c-2800-8000-8000-000000000001';

export type Sent = { command: string; jobId: string; rest: unknown[] };
type Answer = Partial<CommandResult> | Error;

/** A client that records what it is asked for, and answers what it is told to. */
export class FakeClient {
  readonly sent: Sent[] = [];
  answer: (sent: Sent) => Answer = () => ({});
  private listeners: ((outcome: Outcome) => void)[] = [];

  schedule = (jobId: string, ...rest: unknown[]) => this.command('schedule', jobId, rest);
  pause = (jobId: string, ...rest: unknown[]) => this.command('pause', jobId, rest);
  resume = (jobId: string, ...rest: unknown[]) => this.command('resume', jobId, rest);
  cancel = (jobId: string, ...rest: unknown[]) => this.command('cancel', jobId, rest);
  cancelRun = (jobId: string, ...rest: unknown[]) => this.command('cancelRun', jobId, rest);
  trigger = (jobId: string, ...rest: unknown[]) => this.command('trigger', jobId, rest);
  replay = (jobId: string, ...rest: unknown[]) => this.command('replay', jobId, rest);

  send = (sent: { type: string; jobId: string }) => this.command(sent.type, sent.jobId, [sent]);

  onOutcome = async (fn: (outcome: Outcome) => void) => {
    this.listeners.push(fn);
    return async () => undefined;
  };

  tell(outcome: Outcome): void {
    for (const listener of this.listeners) listener(outcome);
  }

  private async command(command: string, jobId: string, rest: unknown[]): Promise<CommandResult> {
    const sent = { command, jobId, rest };
    this.sent.push(sent);
    const answer = this.answer(sent);
    if (answer instanceof Error) throw answer;
    const standard: CommandResult = {
      ...{ commandId: 'c1', tenant: 'default', jobId, outcome: 'applied', state: 'SCHEDULED', version: 1 },
      nextFireAt: new Date(NOW + 60_000),
    };
    return { ...standard, ...answer };
  }
}

const silent = (): void => undefined;
export const NO_LOG: Log = { debug: silent, info: silent, warn: silent, error: silent, child: () => NO_LOG };

const unexpected = (what: string) => (): never => assert.fail(`${what} was not expected to be called`);

export class FakeCli {
  readonly client = new FakeClient();
  readonly clock = new VirtualClock(NOW);
  readonly apiKeys = new MemoryApiKeys(this.clock);
  private readonly db = new MemoryDatabase({ partitions: 1, now: () => this.clock.now() });
  readonly tenants = new MemoryTenants(this.db);
  readonly audit = new MemoryAudit(this.db);
  readonly rejections = new MemoryRejections(this.db);
  readonly webhooks = new MemoryWebhooks(this.db);
  readonly out: string[] = [];
  readonly err: string[] = [];
  readonly stop = new AbortController();
  inspect: Partial<Inspect> = {};
  files: Record<string, string> = {};
  env: Record<string, string>;
  deps: CliDeps;
  /** Where the bytes of rejected commands are read. */
  broker = (): Broker => assert.fail('the broker was not expected to be asked');
  private keysMade = 0;
  private readonly direct = directBackend({
    client: () => this.client as unknown as BelfryClient,
    store: () => this.inspect as Inspect,
    apiKeys: () => this.apiKeys,
    broker: () => this.broker(),
    clock: this.clock,
    topics: () => topicsOf(''),
    ids: { uuid: () => 'id-of-test', random: () => 0 },
    webhooks: () => this.webhooks,
    webhookKey: () => this.deps.config().webhookKey,
    audit: () => this.audit,
    rejections: () => this.rejections,
    actor: ME,
    tenants: () => this.tenants,
    secretBytes: (count) => Buffer.alloc(count, (this.keysMade += 1)),
  });

  constructor(env: Record<string, string> = SERVERS, overrides: Partial<CliDeps> = {}) {
    this.env = env;
    let ids = 0;
    this.deps = {
      version: '1.2.3',
      print: (text) => void this.out.push(text),
      warn: (text) => void this.err.push(text),
      clock: this.clock,
      machineNow: () => this.clock.now(),
      ids: { uuid: () => `id-${(ids += 1)}`, random: () => 0 },
      actor: ME,
      readFile: async (path) => this.files[path] ?? Promise.reject(new Error('no such file')),
      env,
      config: () => readConfig(this.env),
      useServers: (servers) => readConfig((this.env = { ...this.env, ...servers })),
      interrupted: () => this.stop.signal,
      useApi: unexpected('useApi'),
      ...this.direct,
      store: () => this.inspect as Inspect,
      broker: unexpected('broker'),
      topicAdmin: unexpected('topicAdmin'),
      disconnect: async () => undefined,
      migrate: unexpected('migrate'),
      startTimer: unexpected('startTimer'),
      startApi: unexpected('startApi'),
      startExecutor: unexpected('startExecutor'),
      startStack: unexpected('startStack'),
      freePort: async (wanted) => wanted,
      makeLog: () => NO_LOG,
      runUntilStopped: unexpected('runUntilStopped'),
      keepWebhookKey: unexpected('keepWebhookKey'),
      writeDevFile: unexpected('writeDevFile'),
      javaVersion: async () => 21,
      shippedSchemaVersion: async () => 4,
      ...overrides,
    };
  }

  run(...args: string[]): Promise<number> {
    return runCli(args, this.deps);
  }

  get stdout(): string {
    return this.out.join('\n');
  }

  get stderr(): string {
    return this.err.join('\n');
  }

  /** What was printed with --json: one document. */
  document<T>(): T {
    assert.equal(this.out.length, 1);
    return JSON.parse(this.stdout) as T;
  }
}

export function job(fields: Partial<InspectedJob> = {}): InspectedJob {
  const input = { type: 'CUSTOM', handler: 'greet', schedule: { every: '5m' } };
  const spec = parseJobSpec(input, { allowInlineSecrets: false, topicPrefix: '', allowTopics: null });
  assert.ok(!('rejection' in spec));
  return {
    ...{ tenant: 'default', jobId: 'report', partition: 0, state: 'SCHEDULED', version: 3, spec, cancelGen: 0 },
    ...{
      anchorAt: NOW,
      nextAt: NOW + 180_000,
      nextFireAt: NOW + 180_000,
      nextStartAt: NOW + 180_000,
      runCount: 7,
      active: [],
      buffered: [],
    },
    ...{ recentCommands: [], pausedAt: null, createdAt: NOW, updatedAt: NOW },
    ...fields,
  };
}

export function run(fields: Partial<RunSummary> = {}): RunSummary {
  return {
    ...{ runId: RUN_ID, tenant: 'default', jobId: 'report', jobVersion: 1, type: 'CUSTOM', handler: 'greet' },
    ...{ queue: 'default', priority: 'medium', status: 'FAILED', trigger: 'schedule', cause: 'x' },
    ...{ scheduledFor: NOW - 60_000, startedAt: NOW - 59_000, finishedAt: NOW - 58_988, attempt: 4, lost: 0 },
    ...{ worker: 'host:1', retryAt: null, error: { code: 'timeout', message: 'too slow' }, reason: null },
    ...{ count: null, from: null, to: null, replayOf: null, labels: {} },
    ...fields,
  };
}

export function dead(fields: Partial<DeadRunSummary> = {}): DeadRunSummary {
  return { ...run(), replays: [], discarded: null, resolved: false, ...fields };
}

export function detail(fields: Partial<RunDetail> = {}): RunDetail {
  const more = { idempotencyKey: RUN_ID, result: null, resultTruncated: false, progress: null, due: null };
  return { ...run(), ...more, replays: [], discarded: null, ...fields };
}

export function outcome(fields: Partial<Outcome> = {}): Outcome {
  return {
    ...{ eventId: `${RUN_ID}:completed`, runId: RUN_ID, tenant: 'default', jobId: 'report', jobVersion: 1 },
    ...{ type: 'CUSTOM', handler: 'greet', queue: 'default', status: 'COMPLETED', trigger: 'schedule', cause: 'x' },
    ...{ scheduledFor: NOW, startedAt: NOW, finishedAt: NOW + 12, attempt: 1, worker: 'host:1', result: null },
    ...{ resultTruncated: false, error: null, reason: null, count: null, from: null, to: null, replayOf: null },
    labels: {},
    ...fields,
  };
}

export function system(fields: Partial<SystemState> = {}): SystemState {
  const offsets = { commands: 0n, retry: 0n, completed: 0n };
  return {
    ...{ partitions: 2, encoding: 'json', topicPrefix: '', deploymentId: 'd', schemaVersion: 4, oldestServices: 4 },
    services: ['timer', 'executor'].map((kind, index) => ({
      ...{ kind, name: `host:${index + 1}`, release: '1.0.0', schemaVersion: 4, ageMs: 5_000 },
    })),
    topics: [],
    owners: [0, 1].map((partition) => ({ partition, instance: 'host:1', epoch: 1, offsets, outboxDepth: 0 })),
    overdue: { count: 0, oldestAt: null },
    leases: [
      {
        ...{ executor: 'e', worker: 'host:2', transactionalId: 't', alive: true, ageMs: 1, free: 100 },
        ...{ handlers: ['greet'], queue: 'default' },
      },
    ],
    parked: { handedOver: 0, detached: 0 },
    stalls: [],
    ...fields,
  };
}
