/**
 * Housekeeping of the timer's tables and of the days of `runs`. Any number of processes may run it at once: rows that
 * another holds are left to it or to the next time, so that it never makes a step wait.
 */
import { IDEMPOTENCY_KEPT_MS } from '../../core/ports/idempotency-keys.ts';
import { REJECTED_KEPT_MS } from '../../core/rejected-record.ts';
import { dayRangeOf } from '../../core/run-id.ts';
import { storedText } from '../../core/stored-text.ts';
import type { Maintained, SystemJob } from '../../core/system-jobs.ts';
import type { Pg, Statement } from './pool.ts';

const DAY_MS = 86_400_000;
const DAYS_AHEAD = 8;
/** Longer than the promised day: what was seen just before midnight by another clock is remembered all the same. */
const REMEMBER_COMMANDS_MS = DAY_MS + 3_600_000;
/** Pages of a table that one statement looks at: 8 MB. */
const SLICE_PAGES = 1_024;

const ENSURE_DAYS = { name: 'maintain_ensure_days', text: 'SELECT ensure_run_days($1, $2)' };
const DROP_DAY = { name: 'maintain_drop_day', text: 'SELECT drop_run_days($1) AS left' };

const PAGES_OF_JOBS = pagesOf('jobs');
const FORGET_JOBS = sliced(
  'jobs',
  `state IN ('FINISHED', 'CANCELLED') AND updated_at < ${keptFrom('jobs')} AND active = '[]'`,
);
const PAGES_OF_COMMANDS = pagesOf('seen_commands');
const FORGET_COMMANDS = sliced('seen_commands', 'seen_at < $3');

const PAGES_OF_ARRIVALS = pagesOf('arrivals');
// An arrival says that the end of a run was heard; without its run it is no news any more, however often it is told.
const FORGET_ARRIVALS = sliced(
  'arrivals',
  `arrived_at < ${keptFrom('arrivals')} AND NOT EXISTS (SELECT FROM runs r WHERE r.run_id = arrivals.run_id)`,
);

const PAGES_OF_AUDIT = pagesOf('audit');
const FORGET_AUDIT = sliced('audit', `at < ${keptFrom('audit')}`);

const PAGES_OF_REJECTED = pagesOf('rejected_records');
const FORGET_REJECTED = sliced('rejected_records', 'rejected_at < $3');

const PAGES_OF_KEYS = pagesOf('idempotency_keys');
const FORGET_KEYS = sliced('idempotency_keys', 'at < $3');
const PAGES_OF_CANCELS = pagesOf('cancelled_runs');
const FORGET_CANCELS = sliced('cancelled_runs', 'at < $3');

const DAYS = {
  name: 'maintain_days',
  text: `SELECT to_char(to_date(right(c.relname, 8), 'YYYYMMDD'), 'YYYY-MM-DD') AS day
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'runs'::regclass AND c.relname <> 'runs_default' ORDER BY 1`,
};
const REPORT = {
  name: 'maintain_report',
  text: `INSERT INTO system_jobs AS s (name, last_run_at, next_run_at, status, result, changed, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6::text, CASE WHEN $6::text IS NULL THEN NULL ELSE $2::bigint END)
         ON CONFLICT (name) DO UPDATE SET
           last_run_at = excluded.last_run_at, next_run_at = excluded.next_run_at, status = excluded.status, result = excluded.result,
           changed = coalesce(excluded.changed, s.changed), changed_at = coalesce(excluded.changed_at, s.changed_at)`,
};

const FORGET_REPLAYS = {
  name: 'maintain_forget_replays',
  text: `DELETE FROM replays p WHERE p.original < $1 AND NOT EXISTS (SELECT FROM runs r WHERE r.run_id = p.original)`,
};

/**
 * @param now ms @param historyMs how long runs, and jobs that ended, are kept
 * @param signal ends it at once, in the middle of a statement: what is left is done the next time
 * @throws BelfryError `store_unavailable`: likewise; the signal's reason
 */
export async function maintain(pg: Pg, now: number, historyMs: number, signal?: AbortSignal): Promise<Maintained> {
  const pool = { query: ((statement, values) => pg.query(statement, values, signal)) as Pg['query'] };
  const before = await daysOf(pool);
  await pool.query(ENSURE_DAYS, [now - DAY_MS, DAYS_AHEAD]);
  const keptFrom = now - historyMs;
  let daysLeft = 1;
  while (daysLeft > 0) daysLeft = (await pool.query<{ left: number }>(DROP_DAY, [keptFrom]))[0]?.left ?? 0;
  await forget(pool, PAGES_OF_JOBS, FORGET_JOBS, keptFrom);
  await forget(pool, PAGES_OF_COMMANDS, FORGET_COMMANDS, now - REMEMBER_COMMANDS_MS);
  await forget(pool, PAGES_OF_ARRIVALS, FORGET_ARRIVALS, keptFrom);
  await forget(pool, PAGES_OF_AUDIT, FORGET_AUDIT, keptFrom);
  await forget(pool, PAGES_OF_REJECTED, FORGET_REJECTED, now - REJECTED_KEPT_MS);
  await forget(pool, PAGES_OF_KEYS, FORGET_KEYS, now - IDEMPOTENCY_KEPT_MS);
  await forget(pool, PAGES_OF_CANCELS, FORGET_CANCELS, keptFrom);
  await pool.query(FORGET_REPLAYS, [dayRangeOf(keptFrom).fromId]);
  const after = await daysOf(pool);
  return {
    made: after.filter((day) => !before.includes(day)),
    dropped: before.filter((day) => !after.includes(day)),
  };
}

type Queries = Pick<Pg, 'query'>;

/** @see TimerStore.reportSystemJob */
export async function reportSystemJob(pool: Pg, job: Omit<SystemJob, 'changedAt'>): Promise<void> {
  const { name, lastRunAt, nextRunAt, status, result, changed } = job;
  await pool.query(REPORT, [name, lastRunAt, nextRunAt, status, storedText(result), changed]);
}

async function daysOf(pool: Queries): Promise<string[]> {
  return (await pool.query<{ day: string }>(DAYS)).map(({ day }) => day);
}

/** $3 is what the deployment keeps; a tenant may keep less. */
function keptFrom(table: string): string {
  const ofTenant = `SELECT now_ms() - q.history_days * ${DAY_MS}::bigint FROM tenants q WHERE q.tenant = ${table}.tenant`;
  return `greatest($3::bigint, (${ofTenant}))`;
}

/** Page by page, since an index on the time of the last change would make every update of a job dearer (no HOT). */
async function forget(pool: Queries, pages: Statement, slice: Statement, before: number): Promise<void> {
  const [size] = await pool.query<{ pages: number }>(pages);
  for (let page = 0; page < (size?.pages ?? 0); page += SLICE_PAGES) {
    await pool.query(slice, [`(${page},0)`, `(${page + SLICE_PAGES},0)`, before]);
  }
}

function pagesOf(table: string): Statement {
  const text = `SELECT pg_relation_size('${table}') / current_setting('block_size')::bigint AS pages`;
  return { name: `maintain_pages_${table}`, text };
}

function sliced(table: string, condition: string): Statement {
  const text = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${table} WHERE ctid >= $1::tid AND ctid < $2::tid AND ${condition} FOR UPDATE SKIP LOCKED))`;
  return { name: `maintain_forget_${table}`, text };
}
