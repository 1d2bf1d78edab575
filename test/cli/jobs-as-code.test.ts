/** Files of jobs against real Kafka and PostgreSQL: the command line as a process, a timer as another. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { text } from 'node:stream/consumers';
import { TestDeployment } from '../integration/support/deployment.ts';

const main = new URL('../../services/cli/main.ts', import.meta.url).pathname;

const file = (...jobs: string[]): string => `name: shop\njobs:\n${jobs.map((job) => `  - ${job}\n`).join('')}`;
const A =
  '{ jobId: a, type: CUSTOM, handler: ok, payload: { label: "\\"belfry.managed-by\\":\\"" }, schedule: { every: 1h } }';
const B = '{ jobId: b, type: CUSTOM, handler: ok, schedule: { cron: "0 9 * * *", timezone: Europe/Paris } }';
const B_LATER = B.replace('0 9', '0 10');
const PAUSED = '{ jobId: p, paused: true, type: CUSTOM, handler: ok, schedule: { every: 1s } }';

type Report = Record<'added' | 'changed' | 'unchanged' | 'toPrune', { jobId: string; fields?: { field: string }[] }[]>;

describe('jobs as code', { timeout: 120_000 }, () => {
  let deployment: TestDeployment;
  before(async () => {
    deployment = await TestDeployment.create({ partitions: 3 });
    await deployment.timer();
  });
  after(() => deployment.destroy());

  const belfry = async (args: string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...deployment.env, LOG_LEVEL: '' } });
    child.stdin.end(input);
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = (await once(child, 'close')) as [number];
    const [stdout, stderr] = await output;
    return { code, stdout, stderr };
  };
  const apply = async (input: string, ...flags: string[]): Promise<Report> => {
    const { code, stdout, stderr } = await belfry(['apply', '-f', '-', '--json', ...flags], input);
    assert.equal(code, 0, stdout + stderr);
    return JSON.parse(stdout) as Report;
  };
  const ids = (jobs: { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId);
  const states = async (): Promise<Record<string, string>> => {
    const rows = await deployment.rows<{ job_id: string; state: string }>(
      'SELECT job_id, state FROM jobs ORDER BY job_id',
    );
    return Object.fromEntries(rows.map(({ job_id, state }) => [job_id, state]));
  };

  it('applies a file: first all of it, then nothing, then what differs', async () => {
    await deployment.client.schedule('by-hand', { type: 'CUSTOM', handler: 'ok', schedule: { every: '1h' } });
    assert.deepEqual(ids((await apply(file(A, B), '--dry-run')).added), ['a', 'b']);
    assert.deepEqual(await states(), { 'by-hand': 'SCHEDULED' });
    assert.deepEqual(ids((await apply(file(A, B))).added), ['a', 'b']);
    assert.deepEqual(ids((await apply(file(A, B))).unchanged), ['a', 'b']);
    const { changed, unchanged } = await apply(file(A, B_LATER));
    assert.deepEqual(ids(unchanged), ['a']);
    assert.deepEqual(
      changed[0]!.fields!.map(({ field }) => field),
      ['schedule.cron'],
    );
  });

  it('two at once make each job once: one of them finds that the other was quicker', async () => {
    const both = await Promise.all([1, 2].map(() => belfry(['apply', '-f', '-'], file(A, B_LATER, PAUSED))));
    assert.ok(
      both.some(({ code }) => code === 0),
      JSON.stringify(both),
    );
    assert.ok(
      both.every(({ code }) => code === 0 || code === 3),
      JSON.stringify(both),
    );
    const versions = await deployment.rows("SELECT version FROM jobs WHERE job_id = 'p'");
    assert.deepEqual(versions, [{ version: 1 }]);
    assert.equal((await states()).p, 'PAUSED');
    assert.deepEqual(await deployment.rows("SELECT run_id FROM runs WHERE job_id = 'p'"), []);
  });

  it('prunes what it made and the file has no more, and nothing else', async () => {
    assert.deepEqual(ids((await apply(file(A))).toPrune), ['b', 'p']);
    await apply(file(A), '--prune');
    assert.deepEqual(await states(), { a: 'SCHEDULED', b: 'CANCELLED', 'by-hand': 'SCHEDULED', p: 'CANCELLED' });
    assert.deepEqual(ids((await apply(file(A, B))).changed), ['b'], 'what comes back is scheduled again');
  });

  it('exports what import and apply take', async () => {
    const exported = await belfry(['export']);
    assert.deepEqual(exported.stdout.match(/jobId: .*/g), ['jobId: a', 'jobId: b', 'jobId: by-hand']);
    const refused = await belfry(['import', '-f', '-'], exported.stdout);
    assert.equal(refused.code, 3);
    const { toPrune, changed } = await apply(`name: shop\n${exported.stdout}`, '--dry-run');
    assert.deepEqual([ids(toPrune), ids(changed)], [[], ['by-hand']]);
    const elsewhere = await belfry(['import', '-f', '-'], `tenant: acme\n${exported.stdout}`);
    assert.equal(elsewhere.stdout, '3 imported\n');
    assert.equal((await belfry(['import', '-f', '-', '--replace'], exported.stdout)).code, 0);
  });

  it('the jobs that apply keeps are found by their index', async () => {
    const client = await deployment.pool.connect();
    try {
      await client.query('SET enable_seqscan = off');
      const plan = await client.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN SELECT tenant, job_id FROM jobs j WHERE strpos(j.spec, '"belfry.managed-by":"') > 0`,
      );
      assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'), /jobs_managed/);
    } finally {
      client.release(true);
    }
  });
});
