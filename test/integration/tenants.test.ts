/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call -- answers are held against the OpenAPI document, not against types */
/** Quotas of tenants, through real HTTP, Kafka and PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from './support/deployment.ts';
import { HttpApi } from './support/http-api.ts';
import { custom, NOW } from './support/jobs.ts';
import type { Service } from './support/service.ts';

describe('quotas of a tenant', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  let api: HttpApi;
  let isolated: Service;

  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4, queues: ['acme'] });
    const key = await belfry.key(['admin']);
    const service = await belfry.api();
    api = await HttpApi.at(await service.port, key);
    const quotas: Record<string, object> = {
      small: { jobs: 2, payloadBytes: 100, minInterval: '1m' },
      narrow: { concurrentRuns: 2 },
      slow: { runsPerSecond: 5 },
      handled: { handlerRuns: { work: 2 } },
      acme: { queue: 'acme' },
    };
    for (const [tenant, body] of Object.entries(quotas))
      assert.equal((await api.ask('PUT', `/api/tenants/${tenant}`, { body })).status, 200);
    [isolated] = await Promise.all([belfry.executor({ queue: 'acme' }), belfry.executor(), belfry.timer()]);
  });
  after(() => belfry.destroy());

  it('are set by the operator alone; a tenant sees its own', async () => {
    const key = await belfry.key(['admin'], 'small');
    assert.equal((await api.ask('PUT', '/api/tenants/small', { key, body: { jobs: 1_000 } })).status, 403);
    assert.equal((await api.ask('DELETE', '/api/tenants/small', { key })).status, 403);
    assert.equal((await api.ask('GET', '/api/tenants/narrow', { key })).status, 404);
    const own = await api.ask('GET', '/api/tenants', { key });
    assert.deepEqual(
      own.body.tenants.map(({ tenant, minInterval }: { tenant: string; minInterval: string }) => [tenant, minInterval]),
      [['small', '1m']],
    );
    assert.equal((await api.ask('PUT', '/api/tenants/other', { body: { queue: 'nowhere' } })).status, 422);
    assert.equal((await api.ask('DELETE', '/api/tenants/other')).status, 404);
  });

  it('refuse what is too much, and say which limit it is, how much there is, and who can change it', async () => {
    const options = { tenant: 'small' };
    const later = custom('noop', { every: '1h' });
    const refusal = async (jobId: string, job: typeof later): Promise<string> => {
      const result = await belfry.client.schedule(jobId, job, options).catch((error: unknown) => error);
      const { code, message } = result as { code?: string; message?: string };
      assert.equal(code, 'quota', JSON.stringify(result));
      return message ?? '';
    };
    await belfry.client.schedule('one', later, options);
    assert.match(
      await refusal('large', { ...later, payload: 'x'.repeat(200) }),
      /payload-bytes 100, and this one has 202/,
    );
    assert.match(await refusal('often', custom('noop', { every: '30s' })), /min-interval 1m, and this one has 30s/);
    assert.match(await refusal('cron', custom('noop', { cron: '*/20 * * * * *' })), /this one has 20s/);
    await belfry.client.schedule('two', later, options);
    assert.match(await refusal('three', later), /jobs 2, and it has 2; .*belfry tenants set small --jobs/);
    await belfry.client.schedule('one', { ...later, priority: 'high' }, options);
    assert.match(await refusal('four', later), /it has 2/, 'to change a job is no new one');
  });

  it('let no more runs go at one time than the tenant may have, over all of its jobs', async () => {
    const jobs = Array.from({ length: 20 }, (_, n) => ({
      jobId: `narrow-${n}`,
      job: custom('work', NOW, { payload: { ms: 40 } }),
      options: { tenant: 'narrow' },
    }));
    await belfry.client.scheduleMany(jobs);
    await belfry.until('all have run', ended('narrow', 20));
    assert.equal(await mostAtOnce('narrow-%'), 2);
  });

  it('let no more runs of a handler go at one time than the tenant may have of it, over all executors', async () => {
    await belfry.executor();
    const jobs = Array.from({ length: 16 }, (_, n) => ({
      jobId: `handled-${n}`,
      job: custom('work', NOW, { payload: { ms: 40 } }),
      options: { tenant: 'handled' },
    }));
    const others = Array.from({ length: 8 }, (_, n) => ({
      jobId: `unhandled-${n}`,
      job: custom('stubborn', NOW, { payload: { ms: 300 } }),
      options: { tenant: 'handled' },
    }));
    await belfry.client.scheduleMany([...jobs, ...others]);
    await belfry.until('all have run', ended('handled', 24));
    assert.equal(await mostAtOnce('handled-%'), 2);
    assert.ok((await mostAtOnce('unhandled-%')) > 2, 'another handler has another limit, or none');
  });

  /** Of runs of these jobs, as their handlers told. */
  async function mostAtOnce(jobs: string): Promise<number> {
    const [row] = await belfry.rows<{ most: number }>(
      `SELECT max(at_once)::int AS most FROM (
         SELECT sum(CASE what WHEN 'start' THEN 1 ELSE -1 END) OVER (ORDER BY at, what) AS at_once
         FROM sink WHERE job_id LIKE $1) s`,
      [jobs],
    );
    return row!.most;
  }

  it('let no more runs start in a second than the tenant may, and lose none', async () => {
    const jobs = Array.from({ length: 17 }, (_, n) => ({
      jobId: `slow-${n}`,
      job: custom('noop', NOW),
      options: { tenant: 'slow' },
    }));
    await belfry.client.scheduleMany(jobs);
    await belfry.until('all have run', ended('slow', 17));
    const rows = await belfry.rows<{ started_at: string }>(
      `SELECT started_at FROM runs WHERE tenant = 'slow' ORDER BY started_at`,
    );
    const starts = rows.map((row) => Number(row.started_at));
    // A place is given before its run starts, on a busy machine some hundred milliseconds: the sixth start after it is a second
    // later, less that time, and the last ones are three seconds later than the first, less that time.
    assert.ok(starts[15]! - starts[0]! > 2_600, `start 16 is ${starts[15]! - starts[0]!} ms after start 1`);
    for (const [index, at] of starts.slice(5).entries())
      assert.ok(at - starts[index]! > 500, `start ${index + 6} is ${at - starts[index]!} ms after start ${index + 1}`);
  });

  it('send all runs of a tenant with a queue of its own there, and refuse jobs for another one', async () => {
    await belfry.client.schedule('mine', custom('record', NOW), { tenant: 'acme' });
    await belfry.client.schedule('named', custom('record', NOW, { queue: 'acme' }), { tenant: 'acme' });
    await belfry.until('both have run', ended('acme', 2));
    const pids = await belfry.rows<{ pid: number }>(`SELECT DISTINCT pid FROM sink WHERE job_id IN ('mine', 'named')`);
    assert.deepEqual(pids, [{ pid: isolated.pid }]);
    const refused = belfry.client.schedule('other', custom('record', NOW, { queue: 'elsewhere' }), { tenant: 'acme' });
    await assert.rejects(refused);
  });
});

function ended(tenant: string, count: number): (outcomes: readonly { tenant: string; runId: string }[]) => boolean {
  return (outcomes) =>
    new Set(outcomes.filter((outcome) => outcome.tenant === tenant).map(({ runId }) => runId)).size >= count;
}
