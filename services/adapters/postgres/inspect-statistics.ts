/** How runs went. At most so many of the latest are looked at: an answer in time is worth more than an exact one. */
import type { Percentiles, RunStatistics } from '../../core/ports/inspect.ts';
import type { Pg } from './pool.ts';

const MOST_RUNS = 100_000;
const JOBS_SHOWN = 10;

const RECENT = `WITH recent AS MATERIALIZED (
  SELECT r.run_id, r.job_id, r.status, r.trigger, r.attempt, r.scheduled_for, r.started_at, r.finished_at, r.error_code
  FROM runs r
  WHERE r.tenant = $1 AND r.run_id >= first_run_id($2) AND r.run_id < first_run_id($3)
  ORDER BY r.run_id DESC LIMIT ${MOST_RUNS + 1})`;

const percentiles = (value: string, filter: string): string =>
  `percentile_disc(array[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY ${value}) FILTER (WHERE ${filter})`;

const TOTALS = {
  name: 'inspect_statistics',
  text: `${RECENT}
    SELECT count(*) AS runs,
           (SELECT json_object_agg(status, count) FROM (SELECT status, count(*) FROM recent GROUP BY status) s) AS "byStatus",
           ${percentiles('started_at - scheduled_for', `trigger = 'schedule' AND attempt = 1 AND started_at IS NOT NULL`)} AS lateness,
           ${percentiles('finished_at - started_at', 'finished_at IS NOT NULL AND started_at IS NOT NULL')} AS duration
    FROM recent`,
};
const FAILING = {
  name: 'inspect_failing',
  text: `${RECENT}
    SELECT job_id AS "jobId", count(*) AS failed, (array_agg(error_code ORDER BY run_id DESC))[1] AS "lastError"
    FROM recent WHERE status = 'FAILED' GROUP BY job_id ORDER BY failed DESC, job_id LIMIT ${JOBS_SHOWN}`,
};

type Totals = { runs: number; byStatus: RunStatistics['byStatus'] | null } & Record<'lateness' | 'duration', Cells>;
/** int8[], as the driver has it. */
type Cells = readonly string[] | null;

/** @see Inspect.statistics */
export async function readStatistics(pg: Pg, tenant: string, since: number, until: number): Promise<RunStatistics> {
  const [[totals], failing] = await Promise.all([
    pg.query<Totals>(TOTALS, [tenant, since, until]),
    pg.query<RunStatistics['failing'][number]>(FAILING, [tenant, since, until]),
  ]);
  const { runs = 0, byStatus, lateness, duration } = totals ?? {};
  return {
    runs: Math.min(runs, MOST_RUNS),
    limited: runs > MOST_RUNS,
    byStatus: byStatus ?? {},
    lateness: percentilesOf(lateness),
    duration: percentilesOf(duration),
    failing,
  };
}

function percentilesOf(values: Cells | undefined): Percentiles {
  const [p50 = null, p95 = null, p99 = null] = (values ?? []).map(Number);
  return { p50, p95, p99 };
}
