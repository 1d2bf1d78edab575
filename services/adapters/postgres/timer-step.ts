/** A step of the timer as one call of the SQL function `step`: its statement, and its parameters. */
import type { JobRef, PartitionStep } from '../../core/ports/timer-store.ts';
import { int4Array, int8Array, textArray } from './arrays.ts';
import {
  ARRIVAL_COLUMNS,
  EDGE_COLUMNS,
  FINISHED_COLUMNS,
  JOB_COLUMNS,
  OUTBOX_COLUMNS,
  OWNER_COLUMNS,
  PRODUCED_COLUMNS,
  REMOVED_COLUMNS,
  REPLAY_COLUMNS,
  RUN_COLUMNS,
  SEEN_COLUMNS,
  TIMER_COLUMNS,
  type Columns,
  type InPartition,
} from './timer-columns.ts';
import type { Statement } from './pool.ts';

/** One kind of effect: its columns, and its rows of a step. */
type Group = { names: readonly string[]; encode: (steps: readonly PartitionStep[]) => Buffer[] };

/**
 * @param key rows with equal keys are one row, of which the last wins (the statement could not write it twice); rows are
 *   written in the order of their keys, so that two writers never wait for each other in a circle
 */
function group<Row>(
  prefix: string,
  columns: Columns<Row>,
  rowsOf: (step: PartitionStep) => readonly Row[],
  key: (row: Row) => string,
): Group {
  const encoders = Object.values(columns);
  const empty = encoders.map((encode) => encode([]));
  return {
    names: Object.keys(columns).map((name) => prefix + name),
    encode: (steps) => {
      const rows = steps.flatMap(rowsOf);
      return rows.length === 0 ? empty : encoders.map((encode) => encode(inOrder(rows, key)));
    },
  };
}

function inOrder<Row>(rows: readonly Row[], key: (row: Row) => string): Row[] {
  const byKey = new Map(rows.map((row) => [key(row), row]));
  return [...byKey.keys()].sort().map((text) => byKey.get(text) as Row);
}

function within<Row extends object>(step: PartitionStep, rows: readonly Row[]): InPartition<Row>[] {
  return rows.map((row) => ({ ...row, partition: step.partition }));
}

const byJob = ({ tenant, jobId }: JobRef): string => `${tenant}/${jobId}`;
const byTimer = (timer: { partition: number; fireAt: number; runId: string }): string =>
  `${timer.partition} ${timer.fireAt} ${timer.runId}`;

const GROUPS: readonly Group[] = [
  group(
    '',
    OWNER_COLUMNS,
    (step) => [step],
    (step) => String(step.partition),
  ),
  group(
    'produced_',
    PRODUCED_COLUMNS,
    (step) => step.producedSeqs.map((seq) => ({ partition: step.partition, seq })),
    (produced) => `${produced.partition} ${produced.seq}`,
  ),
  group('removed_', REMOVED_COLUMNS, (step) => step.removeTimers, byTimer),
  group('finished_', FINISHED_COLUMNS, (step) => within(step, step.finished), byJob),
  group('job_', JOB_COLUMNS, (step) => step.jobs, byJob),
  group('timer_', TIMER_COLUMNS, (step) => step.addTimers, byTimer),
  group(
    'run_',
    RUN_COLUMNS,
    (step) => within(step, step.runs),
    (run) => run.outcome.runId,
  ),
  group(
    'seen_',
    SEEN_COLUMNS,
    (step) => within(step, step.seenCommands),
    (seen) => `${byJob(seen)}/${seen.commandId}`,
  ),
  group(
    'replay_',
    REPLAY_COLUMNS,
    (step) => within(step, step.replays),
    (pair) => `${pair.original} ${pair.replay}`,
  ),
  group(
    'outbox_',
    OUTBOX_COLUMNS,
    (step) => step.outbox,
    (batch) => `${batch.partition} ${batch.seq}`,
  ),
];

/** What steps with chains write besides: the parameters of `write_chains` (schemas/sql/008-chains.sql). */
const CHAIN_GROUPS: readonly Group[] = [
  group('chain_', FINISHED_COLUMNS, (step) => within(step, step.edges), byJob),
  group(
    'edge_',
    EDGE_COLUMNS,
    (step) => within(step, step.edges).flatMap((job) => job.upstreams.map((upstream) => ({ ...job, upstream }))),
    (edge) => `${byJob(edge)} ${edge.upstream.jobId}`,
  ),
  group(
    'arrival_',
    ARRIVAL_COLUMNS,
    (step) => within(step, step.arrivals),
    (arrival) => `${byJob(arrival)} ${arrival.runId}`,
  ),
];

const PARAMETERS = namesOf(GROUPS).length;
const STEP: Statement = { name: 'timer_step', text: `SELECT step(${argumentsOf(GROUPS, 0)}) AS accepted` };
/** The same, and the commands that it applied are gone with it. OFFSET keeps the step a single call. */
const STEP_OF_ENQUEUED: Statement = {
  name: 'timer_step_of_enqueued',
  text: `SELECT accepted, forget_enqueued(accepted, $${PARAMETERS + 1}, $${PARAMETERS + 2})
         FROM (${STEP.text} OFFSET 0) AS done`,
};

/** The same, after the lock on the tenants whose edges change, and with what becomes of chains. */
const STEP_OF_CHAINS: Statement = {
  name: 'timer_step_of_chains',
  text: `SELECT accepted, forget_enqueued(accepted, $${PARAMETERS + 1}, $${PARAMETERS + 2}),
           write_chains(accepted, ${argumentsOf(CHAIN_GROUPS, PARAMETERS + 3)})
         FROM (${STEP.text} FROM lock_edges($${PARAMETERS + 3}) OFFSET 0) AS done`,
};

function namesOf(groups: readonly Group[]): string[] {
  return groups.flatMap(({ names }) => names);
}

function argumentsOf(groups: readonly Group[], behind: number): string {
  return namesOf(groups)
    .map((name, index) => `${name} => $${behind + index + 1}`)
    .join(', ');
}

/** @throws BelfryError `bad_data`, RangeError: what no column can hold */
export function stepCall(steps: readonly PartitionStep[]): [Statement, Buffer[]] {
  const values = GROUPS.flatMap(({ encode }) => encode(steps));
  const applied = steps.flatMap(({ partition, enqueued }) => enqueued.map((id) => ({ partition, id })));
  const hasChains = steps.some(({ edges, arrivals }) => edges.length + arrivals.length > 0);
  if (applied.length === 0 && !hasChains) return [STEP, values];
  const ids = int8Array(applied.map(({ id }) => id));
  values.push(int4Array(applied.map(({ partition }) => partition)), ids);
  if (!hasChains) return [STEP_OF_ENQUEUED, values];
  const tenants = textArray(steps.flatMap(({ edges }) => edges.map(({ tenant }) => tenant)));
  return [STEP_OF_CHAINS, [...values, tenants, ...CHAIN_GROUPS.flatMap(({ encode }) => encode(steps))]];
}
