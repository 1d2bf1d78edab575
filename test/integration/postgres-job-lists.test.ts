/** Lists of jobs beside a tenant who has very many: whatever is asked for, and in whatever order, none of the others' jobs is read. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { jobsQuery, listJobs } from '../../services/adapters/postgres/inspect-jobs.ts';
import type { Pg } from '../../services/adapters/postgres/pool.ts';
import { JOB_ORDERS, type JobFilter, type JobOrder } from '../../services/core/ports/inspect.ts';
import { useSchema, WITHOUT_DATABASE } from './support/schema.ts';

const OWN = 300;
const FLOOD = 20_000;
const LIMIT = 10;
/** Every filter of GET /api/jobs. */
const FILTERS: Readonly<Record<string, JobFilter>> = {
  'no filter': {},
  state: { state: 'SCHEDULED' },
  type: { type: 'CUSTOM' },
  priority: { priority: 'medium' },
  queue: { queue: 'default' },
  labels: { labels: { team: 'a' } },
  text: { text: 'JOB-' },
};
/** In these orders there is an index. */
const IN_ORDER: readonly JobOrder['by'][] = ['jobId', 'createdAt'];

type Plan = { [key: string]: unknown; 'Node Type': string; Plans?: Plan[] };

function* nodesOf(plan: Plan): Generator<Plan> {
  yield plan;
  for (const child of plan.Plans ?? []) yield* nodesOf(child);
}

describe('lists of jobs', { skip: WITHOUT_DATABASE }, () => {
  const pg = useSchema('lists');
  before(async () => {
    const spec = `'{"type":"CUSTOM","handler":"h","payload":{},"queue":"default","priority":"medium","labels":{"team":"a"}}'`;
    const text = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, next_fire_at, run_count, tracked,
        active, buffered, recent_commands, created_at, updated_at)
      SELECT t, 'job-' || lpad(i::text, 6, '0'), 0, 'SCHEDULED', 1, ${spec}, 0, 0, CASE WHEN i % 5 = 0 THEN NULL ELSE i * 7919 % 1000 END, 0, false,
        '[]', '[]', '[]', i * 7919 % 1009, i * 104729 % 997
      FROM (VALUES ('acme', ${OWN}), ('flood', ${FLOOD}), ('zulu', 100)) AS v (t, n), generate_series(1, n) i`;
    await pg().query({ name: 'fill', text });
  });

  for (const isAnalyzed of [false, true]) {
    for (const by of JOB_ORDERS) {
      for (const descending of [false, true]) {
        it(`by ${by}, ${descending ? 'last' : 'first'} first, ${isAnalyzed ? 'with' : 'without'} statistics`, async () => {
          if (isAnalyzed) await pg().query({ name: 'analyze', text: 'ANALYZE jobs' });
          const [after] = (await listJobs(pg(), { tenant: 'acme' }, 50, { by, descending })).slice(-1);
          for (const [what, filter] of Object.entries(FILTERS)) {
            for (const order of [
              { by, descending },
              { by, descending, after: after! },
            ]) {
              const [{ text }, values] = jobsQuery({ tenant: 'acme', ...filter }, LIMIT, order);
              const name = `explain_${isAnalyzed}_${by}_${descending}_${what}_${order.after !== undefined}`.slice(
                0,
                63,
              );
              const statement = { name, text: `EXPLAIN (ANALYZE, FORMAT JSON) ${text}` };
              const [row] = await pg().query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(statement, values);
              const nodes = [...nodesOf(row!['QUERY PLAN'][0].Plan)];
              const [scan, ...others] = nodes.filter((node) => node['Relation Name'] === 'jobs');
              const told = `${what}: ${JSON.stringify(row)}`;
              assert.equal(others.length, 0, told);
              assert.match(scan!['Node Type'], /^Index (Only )?Scan$/, told);
              assert.match(String(scan!['Index Cond']), /tenant = /, told);
              const read = Number(scan!['Actual Rows']) + Number(scan!['Rows Removed by Filter'] ?? 0);
              const isInOrder = IN_ORDER.includes(by);
              assert.ok(read <= (isInOrder ? LIMIT : OWN), `${read} rows are read, ${told}`);
              assert.equal(
                nodes.some((node) => node['Node Type'].includes('Sort')),
                !isInOrder,
                told,
              );
            }
          }
        });
      }
    }
  }

  it('go on page by page through all jobs of the tenant, each once, in every order', async () => {
    for (const by of JOB_ORDERS) {
      for (const descending of [false, true]) {
        const all = await listJobs(pg(), { tenant: 'acme' }, OWN + 1, { by, descending });
        assert.equal(new Set(all.map(({ jobId }) => jobId)).size, OWN);
        const paged: string[] = [];
        for (let after = undefined as JobOrder['after']; paged.length < OWN;) {
          const page = await listJobs(pg(), { tenant: 'acme' }, 70, { by, descending, ...(after && { after }) });
          paged.push(...page.map(({ jobId }) => jobId));
          after = page.at(-1);
        }
        assert.deepEqual(
          paged,
          all.map(({ jobId }) => jobId),
          `by ${by}`,
        );
      }
    }
  });

  it('take few statements, whatever payloads look like', async () => {
    const spec = `'{"type":"CUSTOM","handler":"h","payload":{"type":"HTTP_REQUEST"},"queue":"default","priority":"medium","labels":{}}'`;
    const text = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked,
        active, buffered, recent_commands, created_at, updated_at)
      SELECT 'decoys', 'job-' || i, 0, 'SCHEDULED', 1, ${spec}, 0, 0, 0, false, '[]', '[]', '[]', 0, 0 FROM generate_series(1, 5000) i`;
    await pg().query({ name: 'fill_decoys', text });
    let statements = 0;
    const counting: Pick<Pg, 'query'> = {
      query: (...asked: Parameters<Pg['query']>) => {
        statements += 1;
        return pg().query(...asked);
      },
    };
    const filter = { tenant: 'decoys', type: 'HTTP_REQUEST' } as const;
    assert.deepEqual(await listJobs(counting as Pg, filter, 2, { by: 'updatedAt', descending: false }), []);
    assert.ok(statements <= 11, `${statements} statements`);
  });
});
