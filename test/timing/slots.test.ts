import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { partitionOf } from '../../services/core/murmur2.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';

describe('no slot idles while work waits', { timeout: 60_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 2 });
    await belfry.timer();
  });
  after(() => belfry.destroy());

  it('two executors of 10 slots run 40 runs of 5 s, all in one partition, within 12 s', async () => {
    await Promise.all([1, 2].map(() => belfry.executor({ env: { BELFRY_CONCURRENCY: '10' } })));
    const ids = Array.from({ length: 1_000 }, (_, index) => `long-${index}`)
      .filter((id) => partitionOf(`default/${id}`, 2) === 0)
      .slice(0, 40);
    await belfry.client.schedule('later', custom('work', { in: '1h' })); // connecting is not what is measured
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
  });
});
