/**
 * Reads for people. Each combination of filters is a statement of its own, so that the planner, which plans once per
 * connection, sees only the conditions that are there.
 */
import type { Actor } from '../../core/audit.ts';
import { OWN } from '../../core/own-names.ts';
import { MANAGED_BY } from '../../core/managed.ts';
import type {
  DeadFilter,
  DeadRunSummary,
  Inspect,
  InspectedJob,
  JobFilter,
  JobOrder,
  RunDetail,
  RunFilter,
  RunStatistics,
  RunSummary,
  SystemState,
} from '../../core/ports/inspect.ts';
import type { JobRef } from '../../core/ports/timer-store.ts';
import type { SystemJob } from '../../core/system-jobs.ts';
import type { AwaitedJobs } from '../../core/why/facts.ts';
import { asMigrated } from './as-migrated.ts';
import { conditionsOf, type Conditions } from './conditions.ts';
import { listJobs } from './inspect-jobs.ts';
import {
  deadOf,
  DETAIL_FIELDS,
  detailOf,
  INSPECTED_FIELDS,
  inspectedJobOf,
  LINEAGE_FIELDS,
  SETTLES_NOTHING,
  SUMMARY_FIELDS,
  summaryOf,
  type DetailRow,
  type InspectedRow,
  type LineageRow,
  type SummaryRow,
} from './inspect-rows.ts';
import { readStatistics } from './inspect-statistics.ts';
import { readSystem, readSystemJobs } from './inspect-system.ts';
import { awaitedJobs, circumstances, occurred, skippedGroup } from './inspect-why.ts';
import type { Pg, Statement } from './pool.ts';

const NOW = { name: 'inspect_now', text: 'SELECT now_ms() AS now' };
const JOB = {
  name: 'inspect_job',
  text: `SELECT ${INSPECTED_FIELDS} FROM jobs j WHERE j.tenant = $1 AND j.job_id = $2`,
};
/** The condition is that of the index `jobs_managed`. */
const MANAGED_JOBS = {
  name: 'inspect_managed_jobs',
  text: `SELECT ${INSPECTED_FIELDS} FROM jobs j WHERE strpos(j.spec, '"${MANAGED_BY}":"') > 0 ORDER BY j.tenant, j.job_id`,
};
const RUN = {
  name: 'inspect_run',
  text: `SELECT ${SUMMARY_FIELDS}, ${DETAIL_FIELDS}, ${LINEAGE_FIELDS}
         FROM runs r LEFT JOIN discards d ON d.run_id = r.run_id WHERE r.run_id = $1`,
};
const UNRESOLVED = `d.run_id IS NULL AND NOT EXISTS (
  SELECT FROM replays p LEFT JOIN runs x ON x.run_id = p.replay
  WHERE p.original = r.run_id AND coalesce(x.status, 'ENQUEUED') NOT IN (${SETTLES_NOTHING.map((status) => `'${status}'`).join(', ')}))`;
/** Forgets those whose run is gone, too: history goes by the day, and nobody tells this table. */
const DISCARD = {
  name: 'inspect_discard',
  text: `WITH gone AS (DELETE FROM discards d WHERE NOT EXISTS (SELECT FROM runs r WHERE r.run_id = d.run_id)),
         discarded AS (
           INSERT INTO discards (run_id, at, note)
           SELECT r.run_id, now_ms(), $2 FROM runs r WHERE r.run_id = ANY ($1::uuid[]) AND r.status = 'FAILED'
           ON CONFLICT (run_id) DO NOTHING RETURNING run_id),
         told AS (
           INSERT INTO audit (at, tenant, job_id, action, actor_kind, actor_id, actor_name, changes)
           SELECT now_ms(), r.tenant, r.job_id, 'discard', $3, $4, $5,
                  json_build_array(json_build_object('field', 'runId', 'to', r.run_id), json_build_object('field', 'note', 'to', $2::text))
           FROM discarded JOIN runs r USING (run_id))
         SELECT run_id AS "runId" FROM discarded`,
};

const OF_RUNS: Conditions<RunFilter> = {
  tenant: 'r.tenant = $',
  jobId: 'r.job_id = $',
  status: 'r.status = $',
  cause: 'r.cause = $',
  since: 'r.run_id >= first_run_id($)',
  until: 'r.run_id < first_run_id($)',
  before: 'r.run_id < $',
};
const OF_DEAD: Conditions<Omit<DeadFilter, 'resolved'>> = {
  own: `($ OR NOT starts_with(r.job_id, '${OWN}'))`,
  tenant: 'r.tenant = $',
  jobId: 'r.job_id = $',
  errorCode: 'r.error_code = $',
  since: 'r.finished_at >= $',
  until: 'r.finished_at < $',
  before: 'r.run_id < $',
  runIds: 'r.run_id = ANY ($::uuid[])',
};

export class PostgresInspect implements Inspect {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  async databaseNow(): Promise<number> {
    return (await this.query<{ now: number }>(NOW))[0]?.now ?? 0;
  }

  jobs(filter: JobFilter, limit: number, order?: JobOrder): Promise<InspectedJob[]> {
    return asMigrated(listJobs(this.pg, filter, limit, order));
  }

  async job(tenant: string, jobId: string): Promise<InspectedJob | undefined> {
    return (await this.query<InspectedRow>(JOB, [tenant, jobId])).map(inspectedJobOf)[0];
  }

  async managedJobs(name: string): Promise<InspectedJob[]> {
    const jobs = (await this.query<InspectedRow>(MANAGED_JOBS)).map(inspectedJobOf);
    return jobs.filter(({ spec }) => spec.labels[MANAGED_BY] === name);
  }

  async runs(filter: RunFilter, limit: number): Promise<RunSummary[]> {
    const { where, values, key } = conditionsOf(OF_RUNS, filter);
    const text = `SELECT ${SUMMARY_FIELDS} FROM runs r WHERE ${where} ORDER BY r.run_id DESC LIMIT $${values.length + 1}`;
    return (await this.query<SummaryRow>({ name: `inspect_runs_${key}`, text }, [...values, limit])).map(summaryOf);
  }

  async run(runId: string): Promise<RunDetail | undefined> {
    return (await this.query<DetailRow>(RUN, [runId])).map(detailOf)[0];
  }

  occurred(job: JobRef, after: string, until: number, limit: number): Promise<RunSummary[]> {
    return asMigrated(occurred(this.pg, job, after, until, limit));
  }

  skippedGroup(job: JobRef, at: number): Promise<RunSummary | undefined> {
    return asMigrated(skippedGroup(this.pg, job, at));
  }

  awaitedJobs(job: JobRef): Promise<AwaitedJobs | undefined> {
    return asMigrated(awaitedJobs(this.pg, job));
  }

  circumstances(...question: Parameters<Inspect['circumstances']>): ReturnType<Inspect['circumstances']> {
    return asMigrated(circumstances(this.pg, ...question));
  }

  async deadRuns({ resolved = false, ...filter }: DeadFilter, limit: number): Promise<DeadRunSummary[]> {
    const { where, values, key } = conditionsOf(OF_DEAD, filter);
    const text = `SELECT ${SUMMARY_FIELDS}, ${LINEAGE_FIELDS} FROM runs r LEFT JOIN discards d ON d.run_id = r.run_id
      WHERE r.status = 'FAILED' AND ${where} ${resolved ? '' : `AND ${UNRESOLVED}`}
      ORDER BY r.run_id DESC LIMIT $${values.length + 1}`;
    const statement = { name: `inspect_dead_${resolved ? 'all_' : ''}${key}`, text };
    return (await this.query<SummaryRow & LineageRow>(statement, [...values, limit])).map(deadOf);
  }

  async discard(runIds: readonly string[], note: string, { kind, id, name }: Actor): Promise<string[]> {
    return (await this.query<{ runId: string }>(DISCARD, [runIds, note, kind, id, name])).map(({ runId }) => runId);
  }

  statistics(tenant: string, since: number, until: number): Promise<RunStatistics> {
    return asMigrated(readStatistics(this.pg, tenant, since, until));
  }

  system(): Promise<SystemState> {
    return asMigrated(readSystem(this.pg));
  }

  systemJobs(): Promise<SystemJob[]> {
    return asMigrated(readSystemJobs(this.pg));
  }

  private query<Row extends object>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return asMigrated(this.pg.query<Row>(statement, values));
  }
}
