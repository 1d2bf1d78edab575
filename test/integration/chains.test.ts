/** Chains through real Kafka and PostgreSQL: jobs in many partitions, owned by two timers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BelfryError } from '../../services/core/errors.ts';
import type { Outcome } from '../../services/core/records.ts';
import { TestDeployment } from './support/deployment.ts';
import { custom, NO_RETRY } from './support/jobs.ts';

const LATER = { at: '2099-01-01T00:00:00Z' };
const afterAll = (...jobs: string[]) => ({ after: jobs.map((job) => ({ job })) });

describe('chains', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create();
    await Promise.all([belfry.timer(), belfry.timer(), belfry.executor()]);
  });
  after(() => belfry.destroy());

  const outcomesOf = (jobId: string): Outcome[] => {
    const own = belfry.outcomes.filter((outcome) => outcome.jobId === jobId);
    return [...new Map(own.map((outcome) => [outcome.eventId, outcome])).values()];
  };
  const untilOutcomes = (jobId: string, count: number): Promise<void> =>
    belfry.until(`${count} outcomes of ${jobId}`, () => outcomesOf(jobId).length >= count, 20_000);
  const codeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'applied',
      (thrown: unknown) => (thrown instanceof BelfryError ? `${thrown.code}: ${thrown.message}` : thrown),
    );

  it('a runs, then b, then c, once each for each run of a; a fork and a join with them', async () => {
    await belfry.client.schedule('a', custom('noop', LATER));
    await belfry.client.schedule('b', custom('noop', afterAll('a')));
    await belfry.client.schedule('c', custom('noop', afterAll('b')));
    await belfry.client.schedule('b2', custom('noop', afterAll('a')));
    await belfry.client.schedule('join', custom('noop', afterAll('b', 'b2')));
    for (let run = 1; run <= 5; run++) {
      await belfry.client.trigger('a');
      for (const job of ['a', 'b', 'c', 'b2', 'join']) await untilOutcomes(job, run);
    }
    for (const job of ['a', 'b', 'c', 'b2', 'join']) {
      const statuses = outcomesOf(job).map(({ status }) => status);
      assert.deepEqual(statuses, Array(5).fill('COMPLETED'), job);
    }
    const causes = outcomesOf('join').map(({ cause, trigger }) => [trigger, cause]);
    const [bs, b2s] = ['b', 'b2'].map((job) => outcomesOf(job).map(({ runId }) => runId)) as [string[], string[]];
    assert.deepEqual(
      causes,
      bs.map((runId, index) => ['dependency', `${runId},${b2s[index]}`]),
    );
    const rows = await belfry.rows(`SELECT 1 FROM runs WHERE job_id IN ('b', 'c', 'b2', 'join')`);
    assert.equal(rows.length, 20);
  });

  it('a failure is followed by who wants it, the others are SKIPPED (upstream); the replay continues the chain', async () => {
    const flaky = custom('flaky', LATER, { payload: { until: 99 }, retry: NO_RETRY });
    await belfry.client.schedule('bad', flaky);
    await belfry.client.schedule('on-success', custom('noop', afterAll('bad')));
    await belfry.client.schedule('on-failure', custom('noop', { after: [{ job: 'bad', when: 'failure' }] }));
    await belfry.client.schedule('next', custom('noop', afterAll('on-success')));
    await belfry.client.trigger('bad');
    for (const job of ['bad', 'on-success', 'on-failure', 'next']) await untilOutcomes(job, 1);
    assert.equal(outcomesOf('on-failure')[0]?.status, 'COMPLETED');
    for (const job of ['on-success', 'next']) {
      assert.deepEqual(
        outcomesOf(job).map(({ status, reason }) => [status, reason]),
        [['SKIPPED', 'upstream']],
      );
    }
    await belfry.client.replay('bad', outcomesOf('bad')[0]!.runId);
    // Partitions have no order between them: a reader may hear of the downstream's end first.
    for (const job of ['bad', 'on-success']) await untilOutcomes(job, 2);
    assert.equal(outcomesOf('bad').length, 2);
    assert.equal(outcomesOf('on-success')[1]?.cause, outcomesOf('bad')[1]?.runId);
  });

  it('of two edits at once, in two partitions, that would close a cycle one is refused, and the cycle is told', async () => {
    for (let round = 0; round < 5; round++) {
      const [x, y] = [`x-${round}`, `y-${round}`];
      await Promise.all([x, y].map((id) => belfry.client.schedule(id, custom('noop', LATER))));
      const codes = await Promise.all([
        codeOf(belfry.client.schedule(x, custom('noop', afterAll(y)))),
        codeOf(belfry.client.schedule(y, custom('noop', afterAll(x)))),
      ]);
      assert.equal(codes.filter((code) => code === 'applied').length, 1, String(codes));
      assert.match(String(codes.find((code) => code !== 'applied')), /^cycle: .* → .* → /);
    }
    assert.match(
      String(await codeOf(belfry.client.schedule('lost', custom('noop', afterAll('nobody'))))),
      /^unknown_job/,
    );
  });
});
