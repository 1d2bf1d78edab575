/**
 * The timer store on PostgreSQL. Every method is one statement (`take`: two), so no lock outlives a frozen process.
 * The race that `step` closes is told in schemas/sql/001-timer.sql.
 */
import { BelfryError } from '../../core/errors.ts';
import type { Job } from '../../core/model.ts';
import type {
  Arrival,
  EnqueuedCommand,
  JobRef,
  Known,
  PartitionStep,
  StoredRun,
  Subscribers,
  TimerRow,
  TimerStats,
  TimerStore,
} from '../../core/ports/timer-store.ts';
import type { DueRecord } from '../../core/records.ts';
import { scheduledMsOf } from '../../core/run-id.ts';
import type { Maintained, SystemJob } from '../../core/system-jobs.ts';
import { jobKey } from '../../core/topics.ts';
import { int4Array, int8Array, textArray, uuidArray } from './arrays.ts';
import { classify, sqlState } from './classify.ts';
import { EDGES_REFUSED, edgesRefused } from './edges-refused.ts';
import type { Pg } from './pool.ts';
import { maintain, reportSystemJob } from './timer-maintain.ts';
import { JOB_FIELDS, TIMER_FIELDS, jobOf, storedRunOf, type JobRow, type StoredRunRow } from './timer-rows.ts';
import { stepCall } from './timer-step.ts';
import { takePartition } from './timer-take.ts';

/** A timer that is late by no more than this is not overdue: it may be under way. */
const OVERDUE_AFTER_MS = 1_000;

const NOW = { name: 'now', text: 'SELECT now_ms() AS now' };

const TIMERS = {
  name: 'timer_timers',
  text: `SELECT ${TIMER_FIELDS}
         FROM unnest($1::int[]) AS p (partition)
         CROSS JOIN LATERAL (
           SELECT * FROM timers WHERE partition = p.partition AND fire_at < $2::bigint ORDER BY fire_at, run_id LIMIT $3::int
         ) t
         ORDER BY t.partition, t.fire_at, t.run_id`,
};

const OTHER_TIMERS = {
  name: 'timer_other_timers',
  text: TIMERS.text.replace('< $2::bigint', '< $2::bigint AND tenant <> ALL ($4::text[])'),
};

// As the index `timers_urgent` has it, so that nothing else is read.
const URGENT_TIMERS = {
  name: 'timer_urgent_timers',
  text: TIMERS.text.replace('< $2::bigint', "< $2::bigint AND topic LIKE '%.high'"),
};

const RETRY_TIMERS = {
  name: 'timer_retry_timers',
  text: `SELECT ${TIMER_FIELDS}
         FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS u (tenant, job_id)) k
         JOIN timers t USING (tenant, job_id)
         WHERE t.kind = 'retry' ORDER BY t.partition, t.fire_at, t.run_id`,
};

const WAITING_RUNS = {
  name: 'timer_waiting_runs',
  text: `SELECT ${TIMER_FIELDS} FROM unnest($1::int[], $2::bigint[], $3::uuid[]) AS k (partition, fire_at, run_id)
         JOIN timers t USING (partition, fire_at, run_id) WHERE t.kind = 'run'`,
};
const PARKED_RUNS = {
  name: 'timer_parked_runs',
  text: `SELECT p.run_id AS "runId", p.due FROM unnest($1::uuid[]) AS k (run_id) JOIN parked p USING (run_id)`,
};
const CANCELLED_RUNS = {
  name: 'timer_cancelled_runs',
  text: `SELECT c.run_id AS "runId" FROM unnest($1::uuid[]) AS k (run_id) JOIN cancelled_runs c USING (run_id)`,
};

const JOBS = {
  name: 'timer_jobs',
  text: `SELECT ${JOB_FIELDS} FROM unnest($1::text[], $2::text[]) AS k (tenant, job_id) JOIN jobs j USING (tenant, job_id)`,
};

const SEEN = {
  name: 'timer_seen',
  text: `SELECT s.tenant, s.job_id AS "jobId", s.command_id AS "commandId"
         FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant, job_id, command_id)
         JOIN seen_commands s USING (tenant, job_id, command_id)`,
};

const SUBSCRIBERS = {
  name: 'timer_subscribers',
  text: `SELECT k.question, s.job_id AS "jobId", s.filter
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (tenant, event, after, question)
         CROSS JOIN LATERAL (
           SELECT job_id, filter FROM subscriptions
           WHERE tenant = k.tenant AND event = k.event AND job_id > k.after ORDER BY job_id LIMIT $4::int
         ) s
         ORDER BY k.question, s.job_id`,
};

const RUNS = {
  name: 'timer_runs',
  text: `SELECT r.run_id AS "runId", r.tenant, r.job_id AS "jobId", r.status, r.finished_at AS "finishedAt",
           r.scheduled_for AS "scheduledFor", r.idempotency_key AS "idempotencyKey", r.due,
           r.result, r.result_truncated AS "resultTruncated", r.error_code AS "errorCode", r.error_message AS "errorMessage",
           r.replay_of AS "replayOf",
           ARRAY(SELECT coalesce((SELECT status FROM runs WHERE run_id = p.replay), 'ENQUEUED')
                 FROM replays p WHERE p.original = r.run_id ORDER BY p.replay) AS replays
         FROM unnest($1::uuid[]) AS k (run_id) JOIN runs r USING (run_id)`,
};

const DOWNSTREAMS = {
  name: 'timer_downstreams',
  text: `SELECT e.tenant, e.upstream AS "jobId", array_agg(e.downstream ORDER BY e.downstream) AS downstreams
         FROM unnest($1::text[], $2::text[]) AS k (tenant, upstream) JOIN edges e USING (tenant, upstream)
         GROUP BY e.tenant, e.upstream`,
};

const ARRIVALS = {
  name: 'timer_arrivals',
  text: `WITH ended AS MATERIALIZED (
           SELECT k.*, r.replay_of FROM unnest($1::text[], $2::text[], $3::uuid[]) AS k (tenant, job_id, run_id)
           LEFT JOIN runs r USING (run_id)
         ), found AS (
           SELECT a.* FROM (SELECT DISTINCT tenant, job_id FROM ended) j JOIN arrivals a USING (tenant, job_id)
           WHERE a.set_id IS NULL AND NOT a.superseded
           UNION
           SELECT a.* FROM ended e JOIN arrivals a USING (tenant, job_id, run_id)
           UNION
           SELECT a.* FROM ended e
           JOIN arrivals o ON o.tenant = e.tenant AND o.job_id = e.job_id AND o.run_id = e.replay_of
           JOIN arrivals a ON a.tenant = o.tenant AND a.job_id = o.job_id AND (a.run_id = o.run_id OR a.set_id = o.set_id)
         )
         SELECT tenant, job_id AS "jobId", upstream, run_id AS "runId", anchor_at AS "anchorAt", set_id AS "setId", superseded
         FROM found ORDER BY tenant, job_id, arrived_at, run_id`,
};

// active is JSON of ours, without free text: safe to parse there.
const ENDED_ACTIVE = {
  name: 'timer_ended_active',
  text: `SELECT j.tenant, j.job_id AS "jobId", r.run_id AS "runId", r.finished_at AS "finishedAt"
         FROM jobs j
         CROSS JOIN LATERAL json_to_recordset(j.active::json) AS a ("runId" uuid, since bigint)
         JOIN runs r ON r.run_id = a."runId"
         WHERE j.partition = $1 AND j.tracked AND j.active <> '[]' AND a.since < $2
           AND r.status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED')
         LIMIT $3::int`,
};

// As many bytes as a step takes: rows whose predecessors have not filled it.
const ENQUEUED = {
  name: 'timer_enqueued',
  text: `SELECT e.partition, e.id, e.enqueued_at AS "enqueuedAt", e.key, e.command
         FROM unnest($1::int[]) AS p (partition)
         CROSS JOIN LATERAL (
           SELECT x.*, sum(octet_length(x.command)) OVER (ORDER BY x.id) - octet_length(x.command) AS before
           FROM (SELECT * FROM enqueued q WHERE q.partition = p.partition ORDER BY q.id LIMIT $2) x) e
         WHERE e.before < $3 ORDER BY e.partition, e.id`,
};

const LISTENERS = {
  name: 'timer_listeners',
  text: `SELECT (SELECT count(*) FROM (
             SELECT FROM subscriptions s WHERE s.tenant = e.tenant AND s.event = e.event LIMIT $3::int) x) AS count
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS e (tenant, event, place) ORDER BY e.place`,
};

// Counts stop at 1,000 a partition: a gauge must not read an index of millions every few seconds. Beyond that all timers are
// what the last (auto)vacuum estimated. The time is asked once: a volatile function in a condition keeps it from the index.
const STATS = {
  name: 'timer_stats',
  text: `SELECT coalesce(sum(late.overdue), 0)::bigint AS overdue, min(late.oldest) AS "oldestOverdueAt",
           greatest(
             coalesce(sum(held.timers), 0)::bigint,
             CASE WHEN max(held.timers) > 1000 THEN (SELECT reltuples::bigint FROM pg_class WHERE oid = 'timers'::regclass) END
           ) AS timers,
           coalesce(sum(left_over.depth), 0)::bigint AS "outboxDepth",
           (SELECT coalesce(max(floor(extract(epoch FROM clock_timestamp() - xact_start) * 1000)), 0)::bigint
            FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()) AS "oldestSnapshotAgeMs"
         FROM unnest($1::int[]) AS p (partition)
         CROSS JOIN LATERAL (SELECT count(*) AS overdue, min(fire_at) AS oldest FROM
           (SELECT fire_at FROM timers t WHERE t.partition = p.partition AND fire_at < (SELECT now_ms() - $2::bigint) ORDER BY fire_at LIMIT 1000) x) late
         CROSS JOIN LATERAL (SELECT count(*) AS timers FROM
           (SELECT FROM timers t WHERE t.partition = p.partition LIMIT 1001) x) held
         CROSS JOIN LATERAL (SELECT count(*) AS depth FROM outbox o WHERE o.partition = p.partition) left_over`,
};

// The first and the last entry of the key's index.
const IS_SHARED = {
  name: 'timer_is_shared',
  text: 'SELECT min(tenant) <> max(tenant) AS "isShared" FROM jobs',
};

export class PostgresTimerStore implements TimerStore {
  private readonly pool: Pg;

  /** @param pool of a migrated database */
  constructor(pool: Pg) {
    this.pool = pool;
  }

  async databaseNow(): Promise<number> {
    const [row] = await this.pool.query<{ now: number }>(NOW);
    return (row as { now: number }).now;
  }

  take(partition: number, instance: string): ReturnType<TimerStore['take']> {
    return takePartition(this.pool, partition, instance);
  }

  async step(steps: readonly PartitionStep[]): Promise<ReadonlySet<number>> {
    try {
      const [row] = await this.pool.query<{ accepted: number[] }>(...stepCall(steps));
      return new Set(row?.accepted);
    } catch (thrown) {
      if (sqlState(thrown) === EDGES_REFUSED) throw edgesRefused(thrown);
      const error = classify(thrown);
      // Even where the statement certainly failed (a deadlock), taking again is right, and one way out is enough.
      if (!error.retryable) throw error;
      throw new BelfryError('step_unclear', `Whether the step was applied is unknown: ${error.message}`, {
        cause: thrown,
        retryable: true,
      });
    }
  }

  timers(
    partitions: readonly number[],
    before: number,
    limit: number,
    exceptOf: readonly string[] = [],
  ): Promise<TimerRow[]> {
    if (exceptOf.length > 0) {
      const values = [int4Array(partitions), before, limit, textArray(exceptOf)];
      return this.pool.query<TimerRow>(OTHER_TIMERS, values);
    }
    return this.pool.query<TimerRow>(TIMERS, [int4Array(partitions), before, limit]);
  }

  urgentTimers(partitions: readonly number[], before: number, limit: number): Promise<TimerRow[]> {
    return this.pool.query<TimerRow>(URGENT_TIMERS, [int4Array(partitions), before, limit]);
  }

  retryTimers(jobs: readonly JobRef[]): Promise<TimerRow[]> {
    return this.pool.query<TimerRow>(RETRY_TIMERS, keysOf(jobs));
  }

  async waitingRuns(runs: Parameters<TimerStore['waitingRuns']>[0]): ReturnType<TimerStore['waitingRuns']> {
    const ids = uuidArray(runs.map(({ runId }) => runId));
    const at = int8Array(runs.map(({ runId }) => scheduledMsOf(runId)));
    const [timers, parked] = await Promise.all([
      this.pool.query<TimerRow>(WAITING_RUNS, [int4Array(runs.map(({ partition }) => partition)), at, ids]),
      this.pool.query<{ runId: string; due: string }>(PARKED_RUNS, [ids]),
    ]);
    const jobOf = new Map(runs.map(({ runId, tenant, jobId }) => [runId, { tenant, jobId }]));
    const own = parked.filter(({ runId, due }) => isOf(jobOf.get(runId), due)).map(({ runId }) => runId);
    return { timers, parked: new Set(own) };
  }

  async cancelledRuns(runIds: readonly string[]): Promise<ReadonlySet<string>> {
    const found = await this.pool.query<{ runId: string }>(CANCELLED_RUNS, [uuidArray(runIds)]);
    return new Set(found.map(({ runId }) => runId));
  }

  async read(jobs: readonly JobRef[], commands: readonly (JobRef & { commandId: string })[]): Promise<Known> {
    const [found, remembered] = await Promise.all([this.readJobs(jobs), this.readSeen(commands)]);
    return { jobs: found, seen: remembered };
  }

  enqueued(partitions: readonly number[], limit: number, maxBytes: number): Promise<EnqueuedCommand[]> {
    return this.pool.query<EnqueuedCommand>(ENQUEUED, [int4Array(partitions), limit, maxBytes]);
  }

  async downstreams(jobs: readonly JobRef[]): ReturnType<TimerStore['downstreams']> {
    type Row = JobRef & { downstreams: string[] };
    const rows = await this.pool.query<Row>(DOWNSTREAMS, keysOf(jobs));
    return new Map(rows.map(({ tenant, jobId, downstreams }) => [jobKey(tenant, jobId), downstreams]));
  }

  async arrivals(ended: readonly (JobRef & { runId: string })[]): Promise<Arrival[]> {
    return this.pool.query<Arrival>(ARRIVALS, [
      textArray(ended.map(({ tenant }) => tenant)),
      textArray(ended.map(({ jobId }) => jobId)),
      uuidArray(ended.map(({ runId }) => runId)),
    ]);
  }

  async countListeners(events: readonly { tenant: string; event: string }[], most: number): Promise<number[]> {
    const keys = [textArray(events.map(({ tenant }) => tenant)), textArray(events.map(({ event }) => event))];
    const rows = await this.pool.query<{ count: number }>(LISTENERS, [...keys, most]);
    return rows.map(({ count }) => count);
  }

  async subscribers(
    events: readonly { tenant: string; event: string; after: string }[],
    limit: number,
  ): Promise<Subscribers[]> {
    const keys = [
      textArray(events.map(({ tenant }) => tenant)),
      textArray(events.map(({ event }) => event)),
      textArray(events.map(({ after }) => after)),
    ];
    type Row = { question: number; jobId: string; filter: string | null };
    const rows = await this.pool.query<Row>(SUBSCRIBERS, [...keys, limit + 1]);
    const byQuestion = Map.groupBy(rows, ({ question }) => question);
    return events.map((_, index) => {
      const found = byQuestion.get(index + 1) ?? [];
      const subscribers = found.slice(0, limit).map(({ jobId, filter }) => ({ jobId, filter }));
      return { subscribers, isAll: found.length <= limit };
    });
  }

  async runs(runIds: readonly string[]): Promise<ReadonlyMap<string, StoredRun>> {
    if (runIds.length === 0) return new Map();
    const rows = await this.pool.query<StoredRunRow>(RUNS, [uuidArray([...new Set(runIds)])]);
    return new Map(rows.map((row) => [row.runId, storedRunOf(row)]));
  }

  async endedActive(partition: number, before: number, limit: number): ReturnType<TimerStore['endedActive']> {
    type Row = JobRef & { runId: string; finishedAt: number };
    const rows = await this.pool.query<Row>(ENDED_ACTIVE, [partition, before, limit]);
    return rows.map(({ tenant, jobId, runId, finishedAt }) => ({ job: { tenant, jobId }, runId, finishedAt }));
  }

  async stats(partitions: readonly number[]): Promise<TimerStats> {
    const [row] = await this.pool.query<TimerStats>(STATS, [int4Array(partitions), OVERDUE_AFTER_MS]);
    return row as TimerStats;
  }

  async isShared(): Promise<boolean> {
    const [row] = await this.pool.query<{ isShared: boolean }>(IS_SHARED);
    return row?.isShared === true;
  }

  maintain(now: number, historyMs: number, signal?: AbortSignal): Promise<Maintained> {
    return maintain(this.pool, now, historyMs, signal);
  }

  reportSystemJob(job: Omit<SystemJob, 'changedAt'>): Promise<void> {
    return reportSystemJob(this.pool, job);
  }

  private async readJobs(jobs: readonly JobRef[]): Promise<Map<string, Job>> {
    if (jobs.length === 0) return new Map();
    const rows = await this.pool.query<JobRow>(JOBS, keysOf(jobs));
    return new Map(rows.map((row) => [jobKey(row.tenant, row.jobId), jobOf(row)]));
  }

  private async readSeen(commands: readonly (JobRef & { commandId: string })[]): Promise<Set<string>> {
    if (commands.length === 0) return new Set();
    const keys = [
      textArray(commands.map(({ tenant }) => tenant)),
      textArray(commands.map(({ jobId }) => jobId)),
      textArray(commands.map(({ commandId }) => commandId)),
    ];
    const rows = await this.pool.query<JobRef & { commandId: string }>(SEEN, keys);
    return new Set(rows.map(({ tenant, jobId, commandId }) => `${jobKey(tenant, jobId)}/${commandId}`));
  }
}

/** Tenants and ids of jobs, as two parameters. */
function keysOf(jobs: readonly JobRef[]): unknown[] {
  return [textArray(jobs.map(({ tenant }) => tenant)), textArray(jobs.map(({ jobId }) => jobId))];
}

function isOf(job: JobRef | undefined, due: string): boolean {
  const { tenant, jobId } = JSON.parse(due) as DueRecord;
  return job !== undefined && tenant === job.tenant && jobId === job.jobId;
}
