/** What is left to do, in words; nothing, once all is done. */
import type { TestDeployment } from '../integration/support/deployment.ts';

const OPEN = `SELECT 'run ' || run_id || ' of ' || job_id || ' is ' || status AS what FROM runs
  WHERE status IN ('ENQUEUED', 'RUNNING', 'RETRYING')`;
const TIMERS = `SELECT 'timer (' || kind || ') of ' || job_id || ' in partition ' || partition AS what FROM timers`;
const OUTBOX = `SELECT 'outbox row ' || seq || ' (' || lane || ') of partition ' || partition AS what FROM outbox`;
const PARKED = `SELECT 'run ' || run_id || ' is parked (' || kind || ')' AS what FROM parked`;
const JOBS = `SELECT 'job ' || job_id || ' is ' || state || ', active ' || active || ', buffered ' || buffered AS what FROM jobs
  WHERE (state = 'SCHEDULED' AND strpos(spec, '"kind":"after"') = 0) OR active <> '[]' OR buffered <> '[]'`;

export async function leftToDo(deployment: TestDeployment): Promise<string[]> {
  try {
    const rows = await deployment.rows<{ what: string }>([OPEN, TIMERS, OUTBOX, PARKED, JOBS].join(' UNION ALL '));
    return [...rows.map(({ what }) => what), ...(await unread(deployment)), ...(await untold(deployment))];
  } catch (error) {
    return [`the database does not answer: ${String(error)}`];
  }
}

/** Of commands alone: the other topics end with marks of transactions, which nobody applies. */
async function unread(deployment: TestDeployment): Promise<string[]> {
  const { commands } = deployment.topics;
  const owners = await deployment.rows<{ partition: number; commands_offset: string }>('SELECT * FROM owners');
  const next = new Map(owners.map((owner) => [owner.partition, BigInt(owner.commands_offset)]));
  return [...(await deployment.broker.logRange(commands))]
    .filter(([partition, { end }]) => (next.get(partition) ?? 0n) < end)
    .map(([partition, { end }]) => `${commands}/${partition} is applied up to ${next.get(partition)} of ${end}`);
}

/** Runs that ended, of which a reader that listened all the time has not heard. */
async function untold(deployment: TestDeployment): Promise<string[]> {
  const told = new Set(deployment.outcomes.map(({ runId }) => runId));
  const rows = await deployment.rows<{ run_id: string }>('SELECT run_id FROM runs WHERE finished_at IS NOT NULL');
  return rows.filter(({ run_id }) => !told.has(run_id)).map(({ run_id }) => `readers have not heard of run ${run_id}`);
}
