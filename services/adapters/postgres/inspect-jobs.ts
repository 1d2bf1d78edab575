/**
 * Lists jobs. What stands in `spec` is JSON that PostgreSQL cannot read whole (payloads may hold \u0000 and halves of surrogate
 * pairs): the database looks for the text that a match must hold, and the few rows that remain are looked at here.
 */
import { OWN } from '../../core/own-names.ts';
import type { JobSpec } from '../../core/model.ts';
import type { InspectedJob, JobFilter, JobOrder } from '../../core/ports/inspect.ts';
import { conditionsOf, type Conditions } from './conditions.ts';
import { INSPECTED_FIELDS, inspectedJobOf, NEXT_START, type InspectedRow } from './inspect-rows.ts';
import type { Pg, Statement } from './pool.ts';

type Prefilter = { own: boolean; tenant?: string; state?: string; fragments?: string[]; text?: string };

/** A spec begins with type, handler, payload, in this order. */
const HANDLER = `split_part(split_part(j.spec, ',"payload":', 1), ',"handler":', 2)`;

const CONDITIONS: Conditions<Prefilter> = {
  own: `($ OR NOT starts_with(j.job_id, '${OWN}'))`,
  tenant: 'j.tenant = $',
  state: 'j.state = $',
  fragments: 'NOT EXISTS (SELECT FROM unnest($::text[]) f (part) WHERE strpos(j.spec, f.part) = 0)',
  text: `strpos(lower(j.job_id || ' ' || ${HANDLER}), lower($)) > 0`,
};

/** Rows of one statement where some may not match: payloads may be made to look like every field. */
const MIN_SIFTED = 500;
const LAST = Number.MAX_SAFE_INTEGER;
const FIRST = -1;
const BY_ID: JobOrder = { by: 'jobId', descending: false };

/** @see Inspect.jobs */
export async function listJobs(
  pg: Pg,
  filter: JobFilter,
  limit: number,
  order: JobOrder = BY_ID,
): Promise<InspectedJob[]> {
  const found: InspectedJob[] = [];
  const rowLimit = fragmentsOf(filter).length === 0 ? limit : Math.max(limit, MIN_SIFTED);
  for (let { after } = order; ;) {
    const [statement, values] = jobsQuery(filter, rowLimit, { ...order, ...(after && { after }) });
    const rows = (await pg.query<InspectedRow>(statement, values)).map(inspectedJobOf);
    found.push(...rows.filter(({ spec }) => hasAll(spec, filter)));
    after = rows.at(-1);
    if (found.length >= limit || rows.length < rowLimit) return found.slice(0, limit);
  }
}

/**
 * A page of jobs, some of which may not match. Of one tenant, ids and times of making come in the order of an index, and a page costs
 * what it holds. The other times change with every run, and an index on one would double what each of those updates costs (they
 * would not be HOT: schemas/sql/001-timer.sql); such a page reads the jobs of its tenant, and of no other, and keeps the first of them.
 */
export function jobsQuery(filter: JobFilter, limit: number, order: JobOrder): [Statement, unknown[]] {
  const { tenant, state, text } = filter;
  const fragments = fragmentsOf(filter);
  const prefilter: Prefilter = {
    own: filter.own ?? false,
    tenant,
    state,
    ...(fragments.length > 0 && { fragments }),
    ...(text !== undefined && { text: JSON.stringify(text).slice(1, -1) }),
  };
  const { where, values, key } = conditionsOf(CONDITIONS, prefilter);
  const { columns, positionOf } = sorted(order, tenant !== undefined);
  const position = order.after === undefined ? [] : positionOf(order.after);
  const behind = position.map((_, index) => `$${values.length + index + 1}`);
  const beyond =
    position.length === 0 ? '' : `AND (${columns.join(', ')}) ${order.descending ? '<' : '>'} (${behind.join(', ')})`;
  const direction = order.descending ? ' DESC' : '';
  const statement = {
    name: `inspect_jobs_${key}_${order.by}${direction}${position.length}`,
    text: `SELECT ${INSPECTED_FIELDS} FROM jobs j WHERE ${where} ${beyond}
      ORDER BY ${columns.map((column) => column + direction).join(', ')} LIMIT $${values.length + position.length + 1}`,
  };
  return [statement, [...values, ...position, limit]];
}

type Position = NonNullable<JobOrder['after']>;

/** The columns of an order, and where a job stands in it. The id makes every place one job's; the tenant says nothing where it is one. */
function sorted({ by, descending }: JobOrder, isOfOneTenant: boolean) {
  const none = descending ? FIRST : LAST;
  const [column, at] = {
    jobId: [[], () => []],
    createdAt: [['j.created_at'], (job: Position) => [job.createdAt]],
    updatedAt: [['j.updated_at'], (job: Position) => [job.updatedAt]],
    nextFireAt: [[`coalesce(${NEXT_START}, ${none})`], (job: Position) => [job.nextStartAt ?? none]],
  }[by] as [string[], (job: Position) => unknown[]];
  const tenant = isOfOneTenant ? [] : ['j.tenant'];
  return {
    columns: [...column, ...tenant, 'j.job_id'],
    positionOf: (job: Position) => [...at(job), ...(isOfOneTenant ? [] : [job.tenant]), job.jobId],
  };
}

/** Text that the spec of every match holds. */
function fragmentsOf({ type, priority, queue, labels = {} }: JobFilter): string[] {
  const fields = [...Object.entries({ type, priority, queue }), ...Object.entries(labels)];
  return fields
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
}

/** What cannot be read is not known to match. */
function hasAll(spec: JobSpec, { type, priority, queue, labels = {} }: JobFilter): boolean {
  return (
    (type === undefined || spec.type === type) &&
    (priority === undefined || spec.priority === priority) &&
    (queue === undefined || spec.queue === queue) &&
    Object.entries(labels).every(([name, value]) => Object.hasOwn(spec.labels, name) && spec.labels[name] === value)
  );
}
