/**
 * A step of the timer as one call of the SQL function `step`: its statement, and its parameters. Effects that few steps have are
 * functions of their own, called in the same statement only when there are any.
 */
import type { Job } from '../../core/model.ts';
import { nextStartAt } from '../../core/occurrences/next-start.ts';
import type { JobRef, PartitionStep } from '../../core/ports/timer-store.ts';
import { textArray } from './arrays.ts';
import {
  ARRIVAL_COLUMNS,
  AUDIT_COLUMNS,
  CANCELLED_COLUMNS,
  EDGE_COLUMNS,
  ENQUEUED_COLUMNS,
  FINISHED_COLUMNS,
  JOB_COLUMNS,
  NEXT_START_COLUMNS,
  OUTBOX_COLUMNS,
  OWNER_COLUMNS,
  PRODUCED_COLUMNS,
  REJECTED_COLUMNS,
  REMOVED_COLUMNS,
  REPLAY_COLUMNS,
  RUN_COLUMNS,
  SEEN_COLUMNS,
  SUBSCRIPTION_COLUMNS,
  TIMER_COLUMNS,
  WAITED_COLUMNS,
  WAITING_COLUMNS,
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
      if (rows.length === 0) return empty;
      const ordered = inOrder(rows, key);
      return encoders.map((encode) => encode(ordered));
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

const STEP: Statement = {
  name: 'timer_step',
  text: `SELECT step(${GROUPS.flatMap(({ names }) => names)
    .map((name, index) => `${name} => $${index + 1}`)
    .join(', ')}) AS accepted`,
};

/** SQL functions that get the accepted partitions and the columns of their group, after the step. */
type Extra = Group & { call: string; isIn: (step: PartitionStep) => boolean };

const EXTRAS: readonly Extra[] = [
  {
    call: 'forget_enqueued',
    isIn: ({ enqueued }) => enqueued.length > 0,
    ...group(
      'enqueued_',
      ENQUEUED_COLUMNS,
      (step) => step.enqueued.map((id) => ({ partition: step.partition, id })),
      ({ partition, id }) => `${partition} ${id}`,
    ),
  },
  {
    call: 'keep_waiting',
    isIn: ({ waits }) => waits.length > 0,
    ...group(
      'waiting_',
      WAITING_COLUMNS,
      (step) => step.waits,
      ({ partition, seq }) => `${partition} ${seq}`,
    ),
  },
  {
    call: 'forget_waiting',
    isIn: ({ waited }) => waited.length > 0,
    ...group(
      'waited_',
      WAITED_COLUMNS,
      (step) => step.waited.map((seq) => ({ partition: step.partition, seq })),
      ({ partition, seq }) => `${partition} ${seq}`,
    ),
  },
  {
    call: 'subscribe',
    isIn: ({ subscriptions }) => subscriptions.length > 0,
    ...group('subscription_', SUBSCRIPTION_COLUMNS, (step) => within(step, step.subscriptions), byJob),
  },
  {
    call: 'write_edges',
    isIn: ({ edges }) => edges.length > 0,
    ...joined(
      group('chain_', FINISHED_COLUMNS, (step) => within(step, step.edges), byJob),
      group(
        'edge_',
        EDGE_COLUMNS,
        (step) => within(step, step.edges).flatMap((job) => job.upstreams.map((upstream) => ({ ...job, upstream }))),
        (edge) => `${byJob(edge)} ${edge.upstream.jobId}`,
      ),
    ),
  },
  {
    call: 'write_arrivals',
    isIn: ({ arrivals }) => arrivals.length > 0,
    ...group(
      'arrival_',
      ARRIVAL_COLUMNS,
      (step) => within(step, step.arrivals),
      (arrival) => `${byJob(arrival)} ${arrival.runId}`,
    ),
  },
  {
    call: 'write_next_starts',
    isIn: ({ jobs }) => jobs.some(startsOtherwise),
    ...group('start_', NEXT_START_COLUMNS, (step) => step.jobs.filter(startsOtherwise), byJob),
  },
  {
    call: 'write_audit',
    isIn: ({ audit }) => audit.length > 0,
    ...group(
      'audit_',
      AUDIT_COLUMNS,
      (step) => within(step, step.audit).map((entry, order) => ({ ...entry, order })),
      ({ partition, order }) => `${partition} ${String(order).padStart(9, '0')}`,
    ),
  },
  {
    call: 'cancel_runs',
    isIn: ({ cancelledRuns }) => cancelledRuns.length > 0,
    ...group(
      'cancelled_',
      CANCELLED_COLUMNS,
      ({ partition, cancelledRuns }) => cancelledRuns.map((runId) => ({ partition, runId })),
      ({ runId }) => runId,
    ),
  },
  {
    call: 'index_rejected',
    isIn: ({ rejected }) => rejected.length > 0,
    ...group(
      'rejected_',
      REJECTED_COLUMNS,
      (step) => step.rejected,
      ({ topic, partition, offset }) => `${topic} ${partition} ${String(offset).padStart(20, '0')}`,
    ),
  },
];

/** Whether the next run starts otherwise than the timer strikes; of most jobs their schedule alone says that it does not. */
function startsOtherwise(job: Job): boolean {
  const { schedule } = job.spec;
  const mayDiffer = schedule.kind === 'on' || ('exclude' in schedule && schedule.exclude.length > 0);
  return mayDiffer && job.nextFireAt !== null && nextStartAt(job) !== job.nextFireAt;
}

function joined(a: Group, b: Group): Group {
  return { names: [...a.names, ...b.names], encode: (steps) => [...a.encode(steps), ...b.encode(steps)] };
}

/**
 * The same, and its extras with it. OFFSET keeps the step a single call.
 * @param locks whether edges of tenants are locked before, by the last parameter
 */
function stepWith(extras: readonly Extra[], locks: boolean): Statement {
  let parameters = GROUPS.flatMap(({ names }) => names).length;
  const calls = extras.map(({ call, names }) => `${call}(accepted, ${names.map(() => `$${++parameters}`).join(', ')})`);
  return {
    name: ['timer_step_with', ...extras.map(({ call }) => call)].join('_'),
    text: `SELECT accepted, ${calls.join(', ')}
           FROM (${STEP.text} ${locks ? `FROM lock_edges($${parameters + 1})` : ''} OFFSET 0) AS done`,
  };
}

/** @throws BelfryError `bad_data`, RangeError: what no column can hold */
export function stepCall(steps: readonly PartitionStep[]): [Statement, Buffer[]] {
  const values = GROUPS.flatMap(({ encode }) => encode(steps));
  const extras = EXTRAS.filter(({ isIn }) => steps.some(isIn));
  if (extras.length === 0) return [STEP, values];
  const tenants = steps.flatMap(({ edges }) => edges.map(({ tenant }) => tenant));
  const locks = tenants.length === 0 ? [] : [textArray(tenants)];
  const encoded = extras.flatMap(({ encode }) => encode(steps));
  return [stepWith(extras, locks.length > 0), [...values, ...encoded, ...locks]];
}
