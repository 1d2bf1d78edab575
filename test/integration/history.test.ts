/** History goes by the day, by itself, and people see it: a real timer on real PostgreSQL. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from './support/deployment.ts';
import { HttpApi } from './support/http-api.ts';

const main = join(import.meta.dirname, '../../services/cli/main.ts');
const DAY_MS = 86_400_000;
const JOB = `INSERT INTO jobs (tenant, job_id, partition, state, version, spec, cancel_gen, anchor_at, run_count, tracked, active, buffered,
               recent_commands, created_at, updated_at)
             VALUES ($1, $2, 0, 'FINISHED', 1, '{}', 0, 0, 0, false, '[]', '[]', '[]', 0, $3)`;
const AUDIT = `INSERT INTO audit (at, tenant, job_id, action, actor_kind, changes) VALUES ($2, $1, 'j', 'pause', 'kafka', '[]')`;

describe('the history', { timeout: 90_000 }, () => {
  let belfry: TestDeployment;
  const ago = (days: number): number => Date.now() - days * DAY_MS;
  const dayText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const days = async (): Promise<string[]> => {
    const text = `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                  WHERE i.inhparent = 'runs'::regclass AND c.relname <> 'runs_default' ORDER BY 1`;
    return (await belfry.rows<{ name: string }>(text)).map(({ name }) => name);
  };

  before(async () => {
    belfry = await TestDeployment.create({ partitions: 1, env: { BELFRY_HISTORY: '10d' } });
    await belfry.rows('SELECT ensure_run_days($1, 2)', [ago(12)]);
    await belfry.rows(`INSERT INTO tenants (tenant, history_days, updated_at) VALUES ('brief', 3, 0)`);
    for (const [tenant, age] of [
      ['default', 11],
      ['default', 5],
      ['brief', 5],
      ['brief', 1],
    ] as const) {
      await belfry.rows(JOB, [tenant, `of-${age}`, ago(age)]);
      await belfry.rows(AUDIT, [tenant, ago(age)]);
    }
  });
  after(() => belfry.destroy());

  it('drops days that are over and makes those to come; ended jobs and the audit log go with them, by the days of their tenant', async () => {
    await belfry.timer();
    const row = await belfry.untilRow('it is told', 'SELECT * FROM system_jobs');
    assert.deepEqual([row.name, row.status], ['history', 'COMPLETED']);
    const dropped = `dropped ${dayText(ago(12))} and ${dayText(ago(11))}`;
    assert.equal(String(row.result).slice(0, dropped.length), dropped);
    const names = await days();
    assert.ok(
      names.every((name) => name >= `runs_${dayText(ago(10)).replaceAll('-', '')}`),
      names.join(),
    );
    assert.ok(names.includes(`runs_${dayText(Date.now() + 6 * DAY_MS).replaceAll('-', '')}`), names.join());
    const left = ['jobs', 'audit'].map((table) =>
      belfry.rows<{ tenant: string }>(`SELECT tenant FROM ${table} ORDER BY 1`),
    );
    for (const rows of await Promise.all(left))
      assert.deepEqual(
        rows.map(({ tenant }) => tenant),
        ['brief', 'default'],
      );
  });

  it('is told as a system job, by the API and by the command line', async () => {
    const key = await belfry.key(['read']);
    const api = await HttpApi.at(await (await belfry.api()).port, key);
    const answer = await api.ask('GET', '/api/system-jobs');
    const [job] = (answer.body as { jobs: { name: string; lastRunAt: string; nextRunAt: string; changed: string }[] })
      .jobs;
    assert.equal(Date.parse(job!.nextRunAt) - Date.parse(job!.lastRunAt), 3_600_000);
    assert.match(job!.changed, /^dropped /);
    const overHttp = { PATH: process.env.PATH ?? '', BELFRY_API_URL: api.url, BELFRY_API_KEY: key };
    for (const env of [overHttp, belfry.env]) {
      const { stdout } = await promisify(execFile)(process.execPath, [main, 'jobs', 'system'], { env });
      assert.match(stdout, /history +COMPLETED +.* ago\)|now\) +.*in 59 m\) +dropped /);
    }
  });
});
