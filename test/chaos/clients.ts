/** Those who use Belfry in a chaos run: they send commands, give up or try again, as a plan has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionOf } from '../../services/core/murmur2.ts';
import type { Producer } from '../../services/core/ports/broker.ts';
import { jobKey } from '../../services/core/topics.ts';
import type { SentCommand } from '../checker/history.ts';
import { understood } from '../checker/observe.ts';
import type { TestDeployment } from '../integration/support/deployment.ts';
import type { Action } from '../support/life.ts';
import { SOURCE, type SourceRecord } from '../support/life-sources.ts';
import { commandOf, tenantOf } from '../support/lives.ts';
import { Random } from '../support/random.ts';
import type { Cluster } from './cluster.ts';
import { PARTITIONS } from './load.ts';
import type { Plan } from './plan.ts';
import type { Users } from './users.ts';

const TRY_AGAIN_MS = 400;
/** A command, and the client's own row beside it: both, or none. */
const ENQUEUE = `WITH own AS (INSERT INTO chaos.enqueued (command_id) VALUES ($2)) SELECT enqueue($1)`;

type Message = { job: string; commandId: string; command: object };

export class Clients {
  readonly sent = new Map<string, SentCommand>();
  /** Commands that Kafka or the database has, as they say. */
  readonly written = new Set<string>();
  private readonly deployment: TestDeployment;
  private readonly producer: Promise<Producer>;
  private readonly random: Random;
  private readonly enqueued: ReadonlySet<string>;
  private readonly http: ReadonlySet<string>;
  private readonly users: Users;
  private readonly cluster: Cluster;
  /** Of each job whose commands are enqueued: they are sent one after the other. */
  private readonly last = new Map<string, Promise<unknown>>();

  constructor(cluster: Cluster, users: Users, { seed, enqueued, http }: Plan) {
    const { deployment } = cluster;
    this.deployment = deployment;
    this.cluster = cluster;
    this.users = users;
    this.producer = deployment.broker.producer();
    this.http = new Set(http);
    this.random = new Random(`clients ${seed}`);
    this.enqueued = new Set(enqueued);
  }

  /** Resolves when the command is written, or its client gave up. */
  async send(action: Action): Promise<void> {
    const { jobId, type, copies, isCareless } = action;
    const commandId = `c-${this.sent.size + 1}`;
    const runId = type === 'replay' ? this.deadRunOf(jobId) : undefined;
    if (type === 'replay' && runId === undefined) return;
    const command = commandOf(action, commandId, runId);
    const job = jobKey(tenantOf(jobId), jobId);
    this.sent.set(commandId, { commandId, job, type, ...understood(command), sentAt: Date.now(), answer: null });
    const message = { job, commandId, command };
    const write = this.enqueued.has(jobId)
      ? () => this.enqueue(message)
      : this.http.has(jobId)
        ? () => this.users.request(action, commandId, command)
        : () => this.produce(message);
    const writes = Array.from({ length: copies }, () => attempt(write, isCareless));
    if ((await Promise.all(writes)).includes(true)) this.written.add(commandId);
  }

  /** A plain producer writes to the topic whose records are events, until it succeeds. */
  async write({ partition, value }: SourceRecord): Promise<void> {
    const record = { topic: SOURCE.topic, partition, key: null, value: Buffer.from(value), headers: {} };
    const write = async (): Promise<boolean> => {
      await (await this.producer).send([record]);
      return true;
    };
    await attempt(write, false);
  }

  async close(): Promise<void> {
    await (await this.producer).close();
  }

  /** In either encoding where both are read. */
  private async produce({ job, command }: Message): Promise<boolean> {
    const place = { topic: this.deployment.topics.commands, partition: partitionOf(job, PARTITIONS) };
    const value = this.random.chance(0.5)
      ? this.cluster.codec.encodeCommand(command)
      : Buffer.from(JSON.stringify(command));
    await (await this.producer).send([{ ...place, key: Buffer.from(job), value, headers: {} }]);
    return true;
  }

  private enqueue({ job, commandId, command }: Message): Promise<boolean> {
    const { pool } = this.deployment;
    const values = [JSON.stringify(command), commandId];
    const own = (this.last.get(job) ?? Promise.resolve()).then(() => pool.query(ENQUEUE, values)).then(() => true);
    this.last.set(
      job,
      own.catch(() => undefined),
    );
    return own;
  }

  private deadRunOf(jobId: string): string | undefined {
    const failed = [...this.deployment.distinct('FAILED').values()].filter((outcome) => outcome.jobId === jobId);
    return failed.length === 0 ? undefined : this.random.pick(failed).runId;
  }
}

/** What failed may have been written: the same id makes it safe to try again. @returns whether it is written for sure */
async function attempt(write: () => Promise<boolean>, isCareless: boolean): Promise<boolean> {
  for (;;) {
    try {
      return await write();
    } catch {
      if (isCareless) return false;
      await sleep(TRY_AGAIN_MS);
    }
  }
}
