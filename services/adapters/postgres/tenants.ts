/** Tenants' quotas in PostgreSQL. */
import type { Quotas, Tenant, Tenants } from '../../core/ports/tenants.ts';
import { NO_QUOTAS } from '../../core/ports/tenants.ts';
import { concurrencyOf, handlersOf, rateOf } from '../../core/tenant-limits.ts';
import type { Pg } from './pool.ts';

const FIELDS = `tenant, jobs, runs_per_second AS "runsPerSecond", concurrent_runs AS "concurrentRuns",
  handler_runs AS "handlerRuns", payload_bytes AS "payloadBytes", min_interval_ms AS "minIntervalMs", history_days AS "historyDays", queue,
  updated_at AS "updatedAt"`;
const COLUMNS =
  'jobs, runs_per_second, concurrent_runs, handler_runs, payload_bytes, min_interval_ms, history_days, queue';
/** At most so many runs a statement. */
const SLICE = 10_000;

const LIST = { name: 'tenant_list', text: `SELECT ${FIELDS} FROM tenants ORDER BY tenant` };
const FIND = { name: 'tenant_find', text: `SELECT ${FIELDS} FROM tenants WHERE tenant = $1` };
/** $2 has the quotas that change, as JSON. Runs that wait obey the new limit; whose limit went, waits no more. */
const SET = {
  name: 'tenant_set',
  text: `WITH changed AS (
           INSERT INTO tenants AS t (tenant, ${COLUMNS}, updated_at)
           SELECT $1, ${COLUMNS}, now_ms() FROM json_populate_record(NULL::tenants, $2::json)
           ON CONFLICT (tenant) DO UPDATE SET (${COLUMNS}, updated_at) =
             (SELECT ${COLUMNS}, now_ms()
              FROM json_populate_record((SELECT c FROM tenants c WHERE c.tenant = excluded.tenant), $2::json))
           RETURNING *),
         limits AS (SELECT $3 AS name, concurrent_runs AS most FROM changed UNION ALL SELECT $4, runs_per_second FROM changed
           UNION ALL SELECT w.name, (handler_runs ->> substr(w.name, length($5) + 1))::int
           FROM changed, (SELECT DISTINCT limit_name AS name FROM parked WHERE starts_with(limit_name, $5)) w),
         waiting AS (
           UPDATE parked p SET
             most = l.most, kind = CASE WHEN l.most IS NULL THEN 'handed_over' ELSE p.kind END,
             limit_name = CASE WHEN l.most IS NULL THEN NULL ELSE p.limit_name END
           FROM limits l WHERE p.limit_name = l.name AND p.kind = 'waiting' RETURNING 1)
         SELECT ${FIELDS} FROM changed`,
};
const REMOVE = { name: 'tenant_remove', text: 'DELETE FROM tenants WHERE tenant = $1 RETURNING tenant' };
const COUNT = {
  name: 'tenant_count_jobs',
  text: `SELECT tenant, count(*)::int AS jobs FROM jobs
         WHERE tenant = ANY ($1::text[]) AND state IN ('SCHEDULED', 'PAUSED') GROUP BY tenant`,
};
const FORGET = {
  name: 'tenant_forget_history',
  // The time is asked once: a volatile function in a condition keeps it from the index.
  text: `WITH t AS MATERIALIZED (
           SELECT tenant, now_ms() - history_days * 86400000::bigint AS before FROM tenants WHERE history_days IS NOT NULL)
         DELETE FROM runs WHERE run_id IN (
           SELECT r.run_id FROM t JOIN runs r ON r.tenant = t.tenant AND r.run_id < first_run_id(t.before)
           WHERE r.status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED') AND r.finished_at < t.before
           LIMIT ${SLICE})
         RETURNING run_id`,
};

export class PostgresTenants implements Tenants {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  list(): Promise<Tenant[]> {
    return this.pg.query<Tenant>(LIST);
  }

  async find(tenant: string): Promise<Tenant | undefined> {
    return (await this.pg.query<Tenant>(FIND, [tenant]))[0];
  }

  async set(tenant: string, changes: Partial<Quotas>): Promise<Tenant> {
    const values = [
      tenant,
      JSON.stringify(columnsOf(changes)),
      concurrencyOf(tenant),
      rateOf(tenant),
      handlersOf(tenant),
    ];
    return (await this.pg.query<Tenant>(SET, values))[0] as Tenant;
  }

  async remove(tenant: string): Promise<boolean> {
    if ((await this.find(tenant)) === undefined) return false;
    await this.set(tenant, NO_QUOTAS); // whoever waits is let go
    return (await this.pg.query(REMOVE, [tenant])).length > 0;
  }

  async countJobs(tenants: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.pg.query<{ tenant: string; jobs: number }>(COUNT, [tenants]);
    return new Map(rows.map(({ tenant, jobs }) => [tenant, jobs]));
  }

  async forgetHistory(signal?: AbortSignal): Promise<number> {
    return (await this.pg.query(FORGET, [], signal)).length;
  }
}

function columnsOf(quotas: Partial<Quotas>): object {
  const entries = Object.entries(quotas).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]),
  );
}
