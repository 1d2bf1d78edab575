/** Those who use Belfry in a chaos run: they send commands, give up or try again, as a plan has it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionOf } from '../../services/core/murmur2.ts';
import type { Producer } from '../../services/core/ports/broker.ts';
import { jobKey } from '../../services/core/topics.ts';
import type { SentCommand } from '../checker/history.ts';
import { understood } from '../checker/observe.ts';
import type { TestDeployment } from '../integration/support/deployment.ts';
import type { Action } from '../support/life.ts';
import { Random } from '../support/random.ts';
import { PARTITIONS, TENANT } from './plan.ts';

const TRY_AGAIN_MS = 400;

export class Clients {
  readonly sent = new Map<string, SentCommand>();
  /** Commands that Kafka has, as the producer says. */
  readonly written = new Set<string>();
  private readonly deployment: TestDeployment;
  private readonly producer: Promise<Producer>;
  private readonly random: Random;

  constructor(deployment: TestDeployment, seed: number) {
    this.deployment = deployment;
    this.producer = deployment.broker.producer();
    this.random = new Random(`clients ${seed}`);
  }

  /** Resolves when the command is written, or its client gave up. */
  async send({ jobId, type, fields, copies, isCareless }: Action): Promise<void> {
    const commandId = `c-${this.sent.size + 1}`;
    const runId = type === 'replay' ? this.deadRunOf(jobId) : undefined;
    if (type === 'replay' && runId === undefined) return;
    const identity = { type, commandId, tenant: TENANT, jobId, ack: true };
    const value = { ...identity, ...fields, ...(runId === undefined ? {} : { runId }) };
    const job = jobKey(TENANT, jobId);
    this.sent.set(commandId, { commandId, job, type, ...understood(value), sentAt: Date.now(), answer: null });
    const writes = Array.from({ length: copies }, () => this.write(job, JSON.stringify(value), isCareless));
    if ((await Promise.all(writes)).includes(true)) this.written.add(commandId);
  }

  async close(): Promise<void> {
    await (await this.producer).close();
  }

  /** What failed may have been written: the same id makes it safe to try again. @returns whether it is written for sure */
  private async write(job: string, value: string, isCareless: boolean): Promise<boolean> {
    const record = {
      topic: this.deployment.topics.commands,
      partition: partitionOf(job, PARTITIONS),
      key: Buffer.from(job),
      value: Buffer.from(value),
      headers: {},
    };
    for (;;) {
      try {
        await (await this.producer).send([record]);
        return true;
      } catch {
        if (isCareless) return false;
        await sleep(TRY_AGAIN_MS);
      }
    }
  }

  private deadRunOf(jobId: string): string | undefined {
    const failed = [...this.deployment.distinct('FAILED').values()].filter((outcome) => outcome.jobId === jobId);
    return failed.length === 0 ? undefined : this.random.pick(failed).runId;
  }
}
