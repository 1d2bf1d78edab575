import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import { custom, inMs } from '../integration/support/jobs.ts';

const FAULTY = new URL('../integration/support/faulty-timer.ts', import.meta.url).pathname;

describe('when a timer dies or freezes', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4 });
    await belfry.executor();
  });
  after(() => belfry.destroy());

  /** What must hold whatever happened: one row, one start, one outcome. */
  async function ranOnce(jobId: string): Promise<void> {
    await belfry.until(`${jobId} has completed`, (outcomes) => outcomes.some((outcome) => outcome.jobId === jobId));
    assert.deepEqual(await belfry.rows('SELECT status FROM runs WHERE job_id = $1', [jobId]), [
      { status: 'COMPLETED' },
    ]);
    assert.equal(
      (await belfry.rows('SELECT 1 FROM sink WHERE job_id = $1', [jobId])).length,
      1,
      'the handler was called once',
    );
    assert.equal(
      new Set(belfry.outcomes.filter((outcome) => outcome.jobId === jobId).map(({ eventId }) => eventId)).size,
      1,
    );
  }

  const points = {
    'before-step': 'between reading a command and committing it, the command is applied by the next timer, once',
    'after-step': 'between deciding a run and producing it, the next timer produces it within 10 s',
    'after-send': 'between producing a run and noting that, the next timer produces it again and it runs once',
  };
  for (const [fault, promise] of Object.entries(points)) {
    it(`killed ${promise}`, async () => {
      const victim = await belfry.start([], { script: FAULTY, env: { FAULT: fault } });
      const job = custom('record', inMs(fault === 'before-step' ? 0 : 500));
      const scheduled = belfry.client.schedule(`fault-${fault}`, job, { timeoutMs: 30_000 });
      await victim.ended();
      assert.equal(victim.child.signalCode, 'SIGKILL');
      const diedAt = Date.now();
      const heir = await belfry.timer();
      assert.equal((await scheduled).outcome, 'applied');
      await ranOnce(`fault-${fault}`);
      assert.ok(Date.now() - diedAt < 10_000, `ran ${Date.now() - diedAt} ms after the death`);
      assert.equal(await heir.kill('SIGTERM'), 0);
    });
  }

  const chainPoints = {
    'after-upstream': 'between the end of an upstream and telling its downstream',
    'before-arrival': 'between telling a downstream and its hearing of it',
    'after-arrival': 'between deciding the run of a downstream and producing it',
  };
  for (const [fault, point] of Object.entries(chainPoints)) {
    it(`killed ${point}, the downstream has exactly one run, within 10 s`, async () => {
      const [upstream, downstream] = [`upstream-${fault}`, `downstream-${fault}`];
      const victim = await belfry.start([], { script: FAULTY, env: { FAULT: fault } });
      await belfry.client.schedule(upstream, custom('record', { at: '2099-01-01T00:00:00Z' }));
      await belfry.client.schedule(downstream, custom('record', { after: [{ job: upstream }] }));
      await belfry.client.trigger(upstream);
      await victim.ended();
      assert.equal(victim.child.signalCode, 'SIGKILL');
      const diedAt = Date.now();
      const heir = await belfry.timer();
      await ranOnce(downstream);
      assert.ok(Date.now() - diedAt < 10_000, `ran ${Date.now() - diedAt} ms after the death`);
      assert.equal(await heir.kill('SIGTERM'), 0);
    });
  }

  it('frozen inside a step, it is replaced within 10 s, and what it does when it wakes up changes nothing', async () => {
    const frozen = await belfry.start([], { script: FAULTY, env: { FAULT: 'freeze-in-step' } });
    await belfry.client.schedule('steady', custom('record', { every: '1s' }));
    await belfry.client.schedule('fault-frozen', custom('record', inMs(500)));
    const heir = await belfry.timer({ waitReady: false });
    await ranOnce('fault-frozen');
    frozen.thaw();
    await heir.ready();
    // With both awake, every occurrence still has one run.
    const before = belfry.outcomes.filter(({ jobId }) => jobId === 'steady').length;
    await belfry.until(
      'five more occurrences',
      (outcomes) => outcomes.filter(({ jobId }) => jobId === 'steady').length >= before + 5,
    );
    await ranOnce('fault-frozen');
    const repeated = await belfry.rows(
      `SELECT scheduled_for FROM sink WHERE job_id = 'steady' GROUP BY scheduled_for HAVING count(*) > 1`,
    );
    assert.deepEqual(repeated, []);
    const times = (
      await belfry.rows<{ scheduled_for: string }>(
        `SELECT scheduled_for FROM runs WHERE job_id = 'steady' ORDER BY scheduled_for`,
      )
    ).map((row) => Number(row.scheduled_for));
    for (const [index, time] of times.entries()) {
      if (index > 0) assert.equal(time - (times[index - 1] ?? 0), 1_000, 'no occurrence is missing');
    }
    await belfry.client.cancel('steady');
    await Promise.all([frozen.kill('SIGTERM'), heir.kill('SIGTERM')]);
  });

  it('stopped cleanly, it hands over at once', async () => {
    const first = await belfry.timer();
    const second = await belfry.timer();
    await belfry.client.schedule('handover', custom('record', { every: '1s' }));
    await belfry.until('it fires', (outcomes) => outcomes.some(({ jobId }) => jobId === 'handover'));
    await Promise.all([first.kill('SIGTERM')]);
    const count = (await belfry.rows(`SELECT 1 FROM runs WHERE job_id = 'handover'`)).length;
    await belfry.until(
      'three more',
      (outcomes) => outcomes.filter(({ jobId }) => jobId === 'handover').length >= count + 3,
      6_000,
    );
    const late = await belfry.rows<{ ms: number }>(
      `SELECT max(started_at - scheduled_for)::int AS ms FROM runs WHERE job_id = 'handover'`,
    );
    assert.ok((late[0]?.ms ?? 0) < 1_500, `late by ${late[0]?.ms} ms`);
    await second.kill('SIGTERM');
  });
});
