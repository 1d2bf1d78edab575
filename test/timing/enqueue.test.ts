import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Belfry } from '../../services/client/main.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';

describe('a command in a transaction of the user', { timeout: 60_000 }, () => {
  let belfry: TestDeployment;
  let client: Belfry;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4 });
    // No broker answers there: what is enqueued needs none.
    client = new Belfry({ brokers: ['127.0.0.1:1'], databaseSchema: belfry.schema, log: SILENT });
    await Promise.all([belfry.timer(), belfry.executor()]);
  });
  after(async () => {
    await client.close();
    await belfry.destroy();
  });

  it('runs within half a second of the commit', async () => {
    const enqueue = async (jobId: string): Promise<number> => {
      await belfry.transaction((pg) => client.schedule(jobId, custom('stamp', NOW), { pg }));
      const committedAt = Date.now();
      await belfry.until(`${jobId} has run`, (outcomes) => outcomes.some((outcome) => outcome.jobId === jobId));
      return Number(belfry.outcomes.find((outcome) => outcome.jobId === jobId)!.result) - committedAt;
    };
    await enqueue('warm'); // connecting is not what is measured
    const lateMs = await enqueue('measured');
    console.log(`began ${lateMs} ms after the commit`);
    assert.ok(lateMs < 500, `began ${lateMs} ms after the commit`);
  });
});
