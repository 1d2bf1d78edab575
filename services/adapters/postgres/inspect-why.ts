/** What `core/why` is told: each question is one statement. */
import type { RunSummary } from '../../core/ports/inspect.ts';
import type { JobRef } from '../../core/ports/timer-store.ts';
import type { AwaitedJobs, Circumstances } from '../../core/why/facts.ts';
import { SUMMARY_FIELDS, summaryOf, type SummaryRow } from './inspect-rows.ts';
import type { Pg } from './pool.ts';

/** A group lies before the single rows that were written with it, so it is near: no long history is read for it. */
const ROWS_BEFORE = 1_000;
/** A time without milliseconds stands for its second. */
const AROUND_MS = 1_000;

const OCCURRED = {
  name: 'inspect_occurred',
  text: `SELECT ${SUMMARY_FIELDS} FROM runs r
         WHERE r.tenant = $1 AND r.job_id = $2 AND r.run_id > $3 AND r.run_id < first_run_id($4)
           AND r.trigger NOT IN ('manual', 'replay')
         ORDER BY r.run_id LIMIT $5`,
};
const GROUP = {
  name: 'inspect_skipped_group',
  text: `SELECT ${SUMMARY_FIELDS} FROM (
           SELECT * FROM runs WHERE tenant = $1 AND job_id = $2 AND run_id < first_run_id($3::bigint + 1)
           ORDER BY run_id DESC LIMIT ${ROWS_BEFORE}) r
         WHERE r.from_at <= $3 AND r.to_at >= $3 LIMIT 1`,
};
const CIRCUMSTANCES = {
  name: 'inspect_circumstances',
  text: `SELECT now_ms() AS now, o.instance AS owner,
           (SELECT count(*) FROM outbox b WHERE b.partition = j.partition) AS unproduced,
           (SELECT min(fire_at) FROM timers t WHERE t.partition = j.partition) AS "oldestTimerAt",
           (SELECT coalesce(json_agg(json_build_object('runId', t.run_id, 'fireAt', t.fire_at, 'kind', t.kind)), '[]') FROM (
              SELECT * FROM timers WHERE partition = j.partition AND fire_at = j.next_fire_at AND tenant = $1 AND job_id = $2
              UNION
              SELECT * FROM timers WHERE partition = j.partition AND fire_at >= $4 AND fire_at < $4::bigint + ${AROUND_MS}
                AND tenant = $1 AND job_id = $2) t) AS timers,
           (SELECT json_build_object('kind', p.kind, 'since', p.parked_at, 'limit', p.limit_name, 'most', p.most)
            FROM parked p WHERE p.run_id = $3) AS parked,
           (SELECT coalesce(json_agg(json_build_object('worker', l.worker, 'handlers', l.handlers, 'free', l.free) ORDER BY l.worker), '[]')
            FROM leases l WHERE l.queue = $5 AND NOT l.dead AND l.expires_at > now_ms()) AS executors,
           greatest(
             (SELECT coalesce(min(extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD'))::bigint * 1000), 0)
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = 'runs'::regclass AND c.relname ~ '^runs_[0-9]{8}$'),
             (SELECT now_ms() - q.history_days * 86400000::bigint FROM tenants q WHERE q.tenant = $1)) AS "historyFrom",
           ARRAY(SELECT a.upstream FROM arrivals a WHERE a.tenant = $1 AND a.job_id = $2 AND a.set_id IS NULL
                 AND NOT a.superseded AND a.anchor_at = j.anchor_at ORDER BY 1) AS arrived
         FROM jobs j JOIN owners o USING (partition) WHERE j.tenant = $1 AND j.job_id = $2`,
};

const AWAITED = {
  name: 'inspect_awaited',
  text: `SELECT until, missing FROM waiting_commands WHERE tenant = $1 AND job_id = $2 AND missing <> '[]' ORDER BY seq LIMIT 1`,
};

/** @see Inspect.occurred */
export async function occurred(
  pg: Pg,
  { tenant, jobId }: JobRef,
  after: string,
  until: number,
  limit: number,
): Promise<RunSummary[]> {
  return (await pg.query<SummaryRow>(OCCURRED, [tenant, jobId, after, until, limit])).map(summaryOf);
}

/** @see Inspect.skippedGroup */
export async function skippedGroup(pg: Pg, { tenant, jobId }: JobRef, at: number): Promise<RunSummary | undefined> {
  return (await pg.query<SummaryRow>(GROUP, [tenant, jobId, at])).map(summaryOf)[0];
}

/** @see Inspect.circumstances */
export async function circumstances(
  pg: Pg,
  { tenant, jobId }: JobRef,
  { runId, at, queue }: { runId: string; at: number; queue: string },
): Promise<Circumstances | undefined> {
  return (await pg.query<Circumstances>(CIRCUMSTANCES, [tenant, jobId, runId, at, queue]))[0];
}

/** @see Inspect.awaitedJobs */
export async function awaitedJobs(pg: Pg, { tenant, jobId }: JobRef): Promise<AwaitedJobs | undefined> {
  const [row] = await pg.query<{ until: number; missing: string }>(AWAITED, [tenant, jobId]);
  return row && { until: row.until, missing: JSON.parse(row.missing) as string[] };
}
