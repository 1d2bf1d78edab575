/** The HTTP API on real sockets, over a broker in memory where a small timer of the test's answers commands. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { RandomIds } from '../../../services/adapters/ids.ts';
import { MemoryApiKeys } from '../../../services/adapters/memory/api-keys.ts';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryWebhooks } from '../../../services/adapters/memory/webhooks.ts';
import { MemoryAudit } from '../../../services/adapters/memory/audit.ts';
import { MemoryIdempotencyKeys } from '../../../services/adapters/memory/idempotency-keys.ts';
import { MemoryRejections } from '../../../services/adapters/memory/rejections.ts';
import { MemoryTenants } from '../../../services/adapters/memory/tenants.ts';
import { MemoryBroker } from '../../../services/adapters/memory/broker.ts';
import type { Api } from '../../../services/api/deps.ts';
import { CommandRate } from '../../../services/api/command-rate.ts';
import { buildServer } from '../../../services/api/server.ts';
import { BelfryClient } from '../../../services/client/client.ts';
import { HttpTransport } from '../../../services/client/http/transport.ts';
import { KafkaTransport } from '../../../services/client/kafka-transport.ts';
import { KEY_BYTES, makeKey } from '../../../services/core/api-key.ts';
import type { Scope } from '../../../services/core/ports/api-keys.ts';
import type { Inspect } from '../../../services/core/ports/inspect.ts';
import type { Ack, Outcome } from '../../../services/core/records.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { NO_LOG } from '../cli/support.ts';

export type Command = { type: string; commandId: string; tenant: string; jobId: string; event: string } & Record<
  string,
  unknown
>;
export type Answer = Partial<Ack> | null;

const PARTITIONS = 3;
const topics = topicsOf('');
const codec = jsonCodec();
const clock = new SystemClock();
const ids = new RandomIds();

export class MemoryApi {
  /** What stands on job.commands. */
  readonly commands: Command[] = [];
  /** What the timer says; null: nothing. */
  answer: (command: Command) => Answer = () => ({});
  /** Sees each request before the API does. */
  onRequest: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  readonly keys = new MemoryApiKeys(clock);
  private readonly db = new MemoryDatabase({ partitions: PARTITIONS, now: () => clock.now() });
  readonly rejections = new MemoryRejections(this.db);
  /** Routes whose requests were measured. */
  readonly answered: string[] = [];
  inspect: Partial<Inspect> = {};
  private readonly cluster: MemoryBroker;
  private readonly clients: BelfryClient[] = [];
  private readonly server: Server;
  private api: Api | undefined;

  private constructor(latencyMs: number) {
    this.cluster = new MemoryBroker({ clock, latencyMs });
    this.server = createServer((request, response) => {
      this.onRequest(request, response);
      this.api!.routing(request, response);
    });
  }

  /** @param latencyMs of the broker */
  static async start(inspect: Partial<Inspect> = {}, latencyMs = 1): Promise<MemoryApi> {
    const it = new MemoryApi(latencyMs);
    it.api = await it.build(inspect);
    await once(it.server.listen(0, '127.0.0.1'), 'listening');
    return it;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async key(scopes: readonly Scope[], tenant = 'default'): Promise<string> {
    const made = makeKey(ids.bytes(KEY_BYTES));
    await this.keys.create({ ...made, tenant, name: 'test', scopes, ttlMs: null });
    return made.text;
  }

  async overHttp(scopes: readonly Scope[] = ['admin'], tenant = 'default'): Promise<BelfryClient> {
    const apiKey = await this.key(scopes, tenant);
    return this.client(new HttpTransport({ url: this.url, apiKey, clock, ids, log: NO_LOG }));
  }

  overKafka(): BelfryClient {
    return this.client(new KafkaTransport({ broker: this.cluster.client('kafka'), codec, clock, log: NO_LOG, topics }));
  }

  async tell(...outcomes: Outcome[]): Promise<void> {
    const producer = await this.cluster.client('executor').producer();
    const records = outcomes.map((each) => ({ key: null, value: codec.encodeOutcome(each), headers: {} }));
    await producer.send(records.map((record) => ({ ...record, topic: topics.completed, partition: 0 })));
  }

  /** Resolves when it holds: looked at with each turn of the event loop. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Ends every connection, as a network does. */
  cut(): void {
    this.server.closeAllConnections();
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    await this.api!.close();
    this.server.closeAllConnections();
    this.server.close();
  }

  private client(transport: HttpTransport | KafkaTransport): BelfryClient {
    const client = new BelfryClient({ transport, ids });
    this.clients.push(client);
    return client;
  }

  private async build(inspect: Partial<Inspect>): Promise<Api> {
    for (const topic of [topics.commands, topics.acks, topics.completed, topics.rejected])
      this.cluster.createTopic(topic, PARTITIONS);
    await this.answerCommands();
    const broker = this.cluster.client('api');
    const { db } = this;
    this.inspect = inspect;
    return buildServer({
      ...{ inspect: inspect as Inspect, client: this.overKafka(), broker, codec, topics, keys: this.keys, clock, ids },
      ...{ secretBytes: (count) => ids.bytes(count), log: NO_LOG, version: '1', requestsPerSecond: 1_000 },
      spec: { allowInlineSecrets: false, topicPrefix: '', allowTopics: null },
      queueDepth: () => [],
      commandRate: new CommandRate(10_000, clock),
      streams: { keepAliveMs: 50, maxAgeMs: 3_600_000 },
      answered: (route) => void this.answered.push(route),
      tenants: new MemoryTenants(db),
      ...{ webhooks: new MemoryWebhooks(db), webhookKey: Buffer.alloc(32, 1) },
      audit: new MemoryAudit(db),
      rejections: this.rejections,
      idempotencyKeys: new MemoryIdempotencyKeys(),
    });
  }

  private async answerCommands(): Promise<void> {
    const timer = this.cluster.client('timer');
    const producer = await timer.producer();
    await timer.tail({
      topics: [topics.commands],
      from: 'beginning',
      isolation: 'read_uncommitted',
      onRecord: ({ value, key, partition }) => {
        const command = JSON.parse(String(value)) as Command;
        const isKnown = this.commands.some(({ commandId }) => commandId === command.commandId);
        this.commands.push(command);
        const ack = this.answer(command);
        if (ack === null) return;
        const { commandId, tenant, jobId } = command;
        const job = { state: 'SCHEDULED', version: 1, nextFireAt: Date.UTC(2026, 11, 1) } as const;
        const outcome: Ack['outcome'] = isKnown ? 'duplicate' : 'applied';
        const extra = { matched: 2, occurrences: [Date.UTC(2026, 0, 1)] };
        const whole = { commandId, tenant, jobId: jobId ?? command.event, outcome, error: null, job, ...extra, ...ack };
        void producer.send([{ topic: topics.acks, partition, key, value: codec.encodeAck(whole), headers: {} }]);
      },
    });
  }
}
