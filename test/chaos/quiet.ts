/** What is left to do, in words; nothing, once all is done. */
import type { TestDeployment } from '../integration/support/deployment.ts';
import { SOURCE } from '../support/life-sources.ts';
import type { Listener } from './listener.ts';

const OPEN = `SELECT 'run ' || run_id || ' of ' || job_id || ' is ' || status AS what FROM runs
  WHERE status IN ('ENQUEUED', 'RUNNING', 'RETRYING')`;
const TIMERS = `SELECT 'timer (' || kind || ') of ' || job_id || ' in partition ' || partition AS what FROM timers`;
const OUTBOX = `SELECT 'outbox row ' || seq || ' (' || lane || ') of partition ' || partition AS what FROM outbox`;
const PARKED = `SELECT 'run ' || run_id || ' is parked (' || kind || ')' AS what FROM parked`;
const ENQUEUED = `SELECT 'a command of ' || key || ' is enqueued' AS what FROM enqueued`;
const JOBS = `SELECT 'job ' || job_id || ' is ' || state || ', active ' || active || ', buffered ' || buffered AS what FROM jobs
  WHERE (state = 'SCHEDULED' AND strpos(spec, '"kind":"after"') = 0 AND NOT starts_with(job_id, 'belfry.webhook.')) OR active <> '[]' OR buffered <> '[]'`;

/** Looks what is left. Listens to the commands all the time: the end of their log may be a mark of a transaction, which nobody applies. */
export class Quiet {
  private readonly deployment: TestDeployment;
  /** By partition. */
  private readonly lastCommands = new Map<number, bigint>();

  private readonly listeners: readonly Listener[];

  private constructor(deployment: TestDeployment, listeners: readonly Listener[]) {
    this.deployment = deployment;
    this.listeners = listeners;
  }

  static async open(deployment: TestDeployment, listeners: readonly Listener[]): Promise<Quiet> {
    const quiet = new Quiet(deployment, listeners);
    await deployment.broker.tail({
      topics: [deployment.topics.commands],
      from: 'beginning',
      isolation: 'read_uncommitted',
      onRecord: ({ partition, offset }) => void quiet.lastCommands.set(partition, offset),
    });
    return quiet;
  }

  async leftToDo(): Promise<string[]> {
    const { deployment } = this;
    try {
      const rows = await deployment.rows<{ what: string }>(
        [OPEN, TIMERS, OUTBOX, PARKED, ENQUEUED, JOBS].join(' UNION ALL '),
      );
      const told = await untold(deployment, this.listeners);
      const others = [await this.unread(), await unemitted(deployment), told];
      return [...rows.map(({ what }) => what), ...others.flat()];
    } catch (error) {
      return [`the database does not answer: ${String(error)}`];
    }
  }

  private async unread(): Promise<string[]> {
    const { commands } = this.deployment.topics;
    const owners = await this.deployment.rows<{ partition: number; commands_offset: string }>('SELECT * FROM owners');
    const next = new Map(owners.map((owner) => [owner.partition, BigInt(owner.commands_offset)]));
    return [...this.lastCommands]
      .filter(([partition, last]) => (next.get(partition) ?? 0n) <= last)
      .map(([partition, last]) => `${commands}/${partition} is applied up to ${next.get(partition)}, not to ${last}`);
  }
}

/** Records of the source that are no events yet. */
async function unemitted(deployment: TestDeployment): Promise<string[]> {
  const { topic } = SOURCE;
  const groupId = `${deployment.env.BELFRY_TOPIC_PREFIX}belfry-events`;
  const ranges = [...(await deployment.broker.logRange(topic))];
  const next = await Promise.all(
    ranges.map(([partition]) => deployment.broker.committed(groupId, { topic, partition })),
  );
  return ranges
    .filter(([, { end }], index) => (next[index] ?? 0n) < end)
    .map(([partition]) => `records of ${topic}/${partition} are no events yet`);
}

/** Runs that ended, of which somebody who listened all the time has not heard: a reader of the topic, or a listener over HTTP. */
async function untold(deployment: TestDeployment, listeners: readonly Listener[]): Promise<string[]> {
  const told = new Set(deployment.outcomes.map(({ runId }) => runId));
  const rows = await deployment.rows<{ run_id: string; tenant: string }>(
    'SELECT run_id, tenant FROM runs WHERE finished_at IS NOT NULL',
  );
  const heard = new Map(listeners.map(({ tenant, runs }) => [tenant, runs]));
  return rows.flatMap(({ run_id, tenant }) => [
    ...(told.has(run_id) ? [] : [`readers have not heard of run ${run_id}`]),
    ...(heard.get(tenant)?.has(run_id) === false ? [`the listener of ${tenant} has not heard of run ${run_id}`] : []),
  ]);
}
