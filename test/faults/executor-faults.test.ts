import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom, NOW } from '../integration/support/jobs.ts';

describe('when an executor dies or freezes', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 6 });
    await belfry.timer();
  });
  after(() => belfry.destroy());
  afterEach(() => belfry.killExecutors());

  it('a run that was under way at kill -9 is taken over within 10 s and completes once', async () => {
    const victim = await belfry.executor();
    await belfry.client.schedule('killed', custom('work', NOW, { payload: { ms: 9_000 } }));
    await belfry.untilRow('the run has started', `SELECT 1 FROM sink WHERE job_id = 'killed'`);
    const heir = await belfry.executor();
    await victim.kill('SIGKILL');
    const killedAt = Date.now();
    await belfry.untilRow(
      'the heir has started it',
      `SELECT 1 FROM sink WHERE job_id = 'killed' AND what = 'start' AND pid = $1`,
      [heir.pid],
    );
    assert.ok(Date.now() - killedAt < 10_000, `taken over after ${Date.now() - killedAt} ms`);
    await belfry.until('completed', (outcomes) => outcomes.some((outcome) => outcome.jobId === 'killed'));
    const runs = await belfry.rows<{ status: string; attempt: number; lost: number }>(
      `SELECT status, attempt, lost FROM runs WHERE job_id = 'killed'`,
    );
    assert.deepEqual(runs, [{ status: 'COMPLETED', attempt: 1, lost: 1 }]);
    const keys = await belfry.rows(`SELECT DISTINCT idempotency_key FROM sink WHERE job_id = 'killed'`);
    assert.equal(keys.length, 1, 'both tries have the same idempotency key');
    await heir.kill('SIGTERM');
  });

  it('one that was frozen past its lease changes nothing when it wakes up', async () => {
    const frozen = await belfry.executor();
    await belfry.client.schedule('frozen', custom('work', NOW, { payload: { ms: 3_000 } }));
    await belfry.untilRow('the run has started', `SELECT 1 FROM sink WHERE job_id = 'frozen'`);
    frozen.freeze();
    const heir = await belfry.executor();
    await belfry.until('completed by the heir', (outcomes) => outcomes.some((outcome) => outcome.jobId === 'frozen'));
    frozen.thaw();
    // Its next job shows that it is back, as a new incarnation.
    await heir.kill('SIGTERM');
    await belfry.client.schedule('afterwards', custom('record', NOW));
    await belfry.until('the thawed one works again', (outcomes) =>
      outcomes.some((outcome) => outcome.jobId === 'afterwards'),
    );
    const ended = belfry.outcomes.filter((outcome) => outcome.jobId === 'frozen');
    assert.equal(new Set(ended.map((outcome) => outcome.eventId)).size, 1);
    assert.ok(
      ended.every((outcome) => outcome.worker === ended[0]?.worker),
      'the zombie published nothing of its own',
    );
    const runs = await belfry.rows<{ status: string }>(`SELECT status FROM runs WHERE job_id = 'frozen'`);
    assert.deepEqual(runs, [{ status: 'COMPLETED' }]);
    await frozen.kill('SIGTERM');
  });

  it('a transaction of a handler whose run was taken over rolls back: its effect is there once', async () => {
    const frozen = await belfry.executor();
    await belfry.client.schedule('effect', custom('transaction', NOW, { payload: { ms: 1_500 } }));
    await belfry.untilRow('the run has been claimed', `SELECT 1 FROM runs WHERE job_id = 'effect'`);
    frozen.freeze();
    const heir = await belfry.executor();
    await belfry.until('completed by the heir', (outcomes) => outcomes.some((outcome) => outcome.jobId === 'effect'));
    frozen.thaw();
    await heir.kill('SIGTERM');
    await belfry.client.schedule('effect-afterwards', custom('record', NOW));
    await belfry.until('the thawed one works again', (outcomes) =>
      outcomes.some((outcome) => outcome.jobId === 'effect-afterwards'),
    );
    assert.equal((await belfry.rows(`SELECT 1 FROM sink WHERE job_id = 'effect'`)).length, 1);
    await frozen.kill('SIGTERM');
  });

  it('a run that must be tried at most once is not tried again: it ends FAILED (lost) and can be replayed', async () => {
    const victim = await belfry.executor();
    await belfry.client.schedule('once', custom('work', NOW, { payload: { ms: 60_000 }, delivery: 'at_most_once' }));
    await belfry.untilRow('the run has started', `SELECT 1 FROM sink WHERE job_id = 'once'`);
    const heir = await belfry.executor();
    await victim.kill('SIGKILL');
    await belfry.until('failed', (outcomes) => outcomes.some((outcome) => outcome.jobId === 'once'));
    const outcome = belfry.outcomes.find(({ jobId }) => jobId === 'once');
    assert.equal(outcome?.status, 'FAILED');
    assert.equal(outcome?.error?.code, 'lost');
    assert.equal((await belfry.rows(`SELECT 1 FROM sink WHERE job_id = 'once'`)).length, 1);
    await heir.kill('SIGTERM');
  });

  it('a clean stop lets short runs end, hands long ones back at no cost, and exits 0', async () => {
    const leaving = await belfry.executor({ env: { BELFRY_SHUTDOWN_TIMEOUT: '1s' } });
    await belfry.client.schedule('short', custom('work', NOW, { payload: { ms: 500 } }));
    await belfry.client.schedule('long', custom('work', NOW, { payload: { ms: 12_000 } }));
    await belfry.untilRow(
      'both have started',
      `SELECT 1 FROM sink WHERE what = 'start' AND job_id IN ('short', 'long') HAVING count(*) = 2`,
    );
    const heir = await belfry.executor();
    assert.equal(await leaving.kill('SIGTERM'), 0);
    const leftAt = Date.now();
    await belfry.untilRow(
      'the heir has the long one',
      `SELECT 1 FROM sink WHERE job_id = 'long' AND what = 'start' AND pid = $1`,
      [heir.pid],
    );
    assert.ok(Date.now() - leftAt < 3_000, `handed over after ${Date.now() - leftAt} ms`);
    await belfry.until('both completed', () =>
      ['short', 'long'].every((id) =>
        belfry.outcomes.some(({ jobId, status }) => jobId === id && status === 'COMPLETED'),
      ),
    );
    const [long] = await belfry.rows<{ attempt: number; lost: number }>(
      `SELECT attempt, lost FROM runs WHERE job_id = 'long'`,
    );
    assert.deepEqual(long, { attempt: 1, lost: 0 });
    const shortRuns = await belfry.rows(`SELECT 1 FROM sink WHERE job_id = 'short' AND what = 'start'`);
    assert.equal(shortRuns.length, 1);
    await heir.kill('SIGTERM');
  });
});
