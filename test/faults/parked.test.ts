import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';

/** Side by side, each in a deployment of its own: one of them waits for half a minute. */
describe('a run that no offset holds', { timeout: 120_000, concurrency: true }, () => {
  async function deploymentOf(t: TestContext): Promise<TestDeployment> {
    const belfry = await TestDeployment.create({ partitions: 2 });
    t.after(() => belfry.destroy());
    await belfry.timer();
    return belfry;
  }

  it('since it runs longer than 30 s is taken over when its executor dies', async (t) => {
    const belfry = await deploymentOf(t);
    const victim = await belfry.executor();
    // Far longer than the heir needs to start, or the victim would end it first.
    await belfry.client.schedule('long', custom('work', NOW, { payload: { ms: 110_000 } }));
    await belfry.untilRow(
      'it is detached',
      `SELECT 1 FROM parked p JOIN runs r USING (run_id) WHERE r.job_id = 'long' AND p.kind = 'detached'`,
      [],
      45_000,
    );
    const heir = await belfry.executor();
    await victim.kill('SIGKILL');
    await belfry.untilRow('the heir has it', `SELECT 1 FROM sink WHERE job_id = 'long' AND pid = $1`, [heir.pid]);
  });

  it('since its executor has no handler for it goes to one that has', async (t) => {
    const belfry = await deploymentOf(t);
    const other = new URL('../integration/support/other-handlers.ts', import.meta.url).pathname;
    await belfry.start(['executor', '--handlers', other], {});
    await belfry.client.schedule('elsewhere', custom('record', NOW));
    await belfry.untilRow('it is handed over', `SELECT 1 FROM parked WHERE handler = 'record'`);
    const having = await belfry.executor();
    await belfry.until('completed', (outcomes) =>
      outcomes.some(({ jobId, status }) => jobId === 'elsewhere' && status === 'COMPLETED'),
    );
    assert.deepEqual(await belfry.rows(`SELECT pid FROM sink WHERE job_id = 'elsewhere'`), [{ pid: having.pid }]);
  });
});
