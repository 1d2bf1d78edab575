import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { partitionOf } from '../../services/core/murmur2.ts';
import { TestDeployment } from './support/deployment.ts';
import { custom, NOW } from './support/jobs.ts';

describe('no slot idles while work waits', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 2 });
    await belfry.timer();
  });
  after(() => belfry.destroy());
  afterEach(() => belfry.killExecutors());

  it('two executors of 10 slots run 40 runs of 5 s, all in one partition, within 12 s', async () => {
    const executors = await Promise.all([1, 2].map(() => belfry.executor({ env: { BELFRY_CONCURRENCY: '10' } })));
    const ids = Array.from({ length: 1_000 }, (_, index) => `long-${index}`)
      .filter((id) => partitionOf(`default/${id}`, 2) === 0)
      .slice(0, 40);
    const startedAt = Date.now();
    const results = await belfry.client.scheduleMany(
      ids.map((jobId) => ({ jobId, job: custom('work', NOW, { payload: { ms: 5_000 } }) })),
    );
    assert.ok(results.every(({ status }) => status === 'fulfilled'));
    await belfry.untilRuns(40, 'COMPLETED', 20_000);
    const tookMs = Date.now() - startedAt;
    console.log(`40 runs of 5 s on 2 x 10 slots: ${tookMs} ms`);
    assert.ok(tookMs < 12_000, `took ${tookMs} ms`);
    const workers = await belfry.rows<{ n: number }>(
      'SELECT count(*)::int AS n FROM sink WHERE what = $1 GROUP BY pid ORDER BY 1',
      ['start'],
    );
    assert.deepEqual(
      workers.map(({ n }) => n),
      [20, 20],
    );
    await belfry.untilRow('nothing stays parked', 'SELECT 1 WHERE NOT EXISTS (SELECT FROM parked)');
    await Promise.all(executors.map((executor) => executor.kill('SIGTERM')));
  });

  it('a run longer than 30 s blocks no offset, and is taken over although no offset holds it any more', async () => {
    const victim = await belfry.executor();
    await belfry.client.schedule('long', custom('work', NOW, { payload: { ms: 34_000 } }));
    await belfry.untilRow(
      'it is detached',
      `SELECT 1 FROM parked p JOIN runs r USING (run_id) WHERE r.job_id = 'long' AND p.kind = 'detached'`,
      [],
      45_000,
    );
    const heir = await belfry.executor();
    await victim.kill('SIGKILL');
    await belfry.untilRow(
      'the heir has it',
      `SELECT 1 FROM sink WHERE job_id = 'long' AND pid = $1`,
      [heir.pid],
      15_000,
    );
    await heir.kill('SIGTERM');
  });

  it('an executor without the handler hands the run to one that has it', async () => {
    const other = new URL('./support/other-handlers.ts', import.meta.url).pathname;
    const without = await belfry.start(['executor', '--handlers', other], {});
    await belfry.client.schedule('elsewhere', custom('record', NOW));
    await belfry.untilRow('it is handed over', `SELECT 1 FROM parked WHERE handler = 'record'`);
    const having = await belfry.executor();
    await belfry.until('completed', (outcomes) =>
      outcomes.some(({ jobId, status }) => jobId === 'elsewhere' && status === 'COMPLETED'),
    );
    await Promise.all([without.kill('SIGTERM'), having.kill('SIGTERM')]);
  });
});
