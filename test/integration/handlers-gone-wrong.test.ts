import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Outcome } from '../../services/core/records.ts';
import { TestDeployment } from './support/deployment.ts';
import { custom, FAST_RETRY, NO_RETRY, NOW } from './support/jobs.ts';

describe('what a handler may do wrong, and what comes of it', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ partitions: 3, queues: ['narrow'] });
    const narrow = belfry.executor({ queue: 'narrow', env: { BELFRY_CONCURRENCY: '1' } });
    await Promise.all([belfry.timer(), belfry.executor(), narrow]);
    // It takes half a minute to be abandoned: the other tests pass meanwhile, the last one looks at it.
    await belfry.client.schedule('never', custom('never', NOW, { timeout: '1s', retry: NO_RETRY, queue: 'narrow' }));
    await belfry.untilRow('it has the only slot', `SELECT 1 FROM runs WHERE job_id = 'never'`);
  });
  after(() => belfry.destroy());

  async function outcomeOf(jobId: string, handler: string, more: Parameters<typeof custom>[2] = {}): Promise<Outcome> {
    await belfry.client.schedule(jobId, custom(handler, NOW, more));
    return ended(jobId);
  }

  async function ended(jobId: string): Promise<Outcome> {
    await belfry.until(`${jobId} has ended`, (outcomes) => outcomes.some((outcome) => outcome.jobId === jobId), 45_000);
    const outcome = belfry.outcomes.find((each) => each.jobId === jobId);
    assert.ok(outcome);
    return outcome;
  }

  it('fails with an error: retried, then FAILED with the last error, and a record in the DLQ with every failure', async () => {
    const outcome = await outcomeOf('fails', 'fails', { retry: { ...FAST_RETRY, maxRetries: 2 } });
    assert.deepEqual(
      [outcome.status, outcome.attempt, outcome.error?.code, outcome.error?.message],
      ['FAILED', 3, 'handler_error', 'attempt 3 fails'],
    );
    assert.equal((await belfry.rows(`SELECT 1 FROM sink WHERE job_id = 'fails'`)).length, 3);
    const dead = await belfry.firstRecord(belfry.topics.dlq, 'default/fails');
    const failures = (JSON.parse(dead.value.toString()) as { failures: { attempt: number }[] }).failures;
    assert.deepEqual(
      failures.map(({ attempt }) => attempt),
      [1, 2, 3],
    );
  });

  it('fails twice, then works: COMPLETED at the third attempt, nothing in the DLQ', async () => {
    const outcome = await outcomeOf('flaky', 'flaky', { payload: { until: 3 }, retry: FAST_RETRY });
    assert.deepEqual([outcome.status, outcome.attempt, outcome.result], ['COMPLETED', 3, { attempt: 3 }]);
  });

  it('throws a text: FAILED with that text', async () => {
    const { status, error } = await outcomeOf('text', 'throws-text', { retry: NO_RETRY });
    assert.deepEqual([status, error], ['FAILED', { code: 'handler_error', message: 'just text' }]);
  });

  it('returns what JSON cannot hold: FAILED as result_invalid, not tried again', async () => {
    const { status, error, attempt } = await outcomeOf('unserialisable', 'unserialisable');
    assert.deepEqual([status, error?.code, attempt], ['FAILED', 'result_invalid', 1]);
  });

  it('returns 100 KB: COMPLETED, the result cut at 64 KiB and marked', async () => {
    const { status, result, resultTruncated } = await outcomeOf('huge', 'huge');
    assert.deepEqual([status, resultTruncated], ['COMPLETED', true]);
    assert.ok((result as string).length <= 64 * 1024);
  });

  it('blocks the event loop for longer than a lease: its lease lives on, and it completes once', async () => {
    const { status } = await outcomeOf('blocks', 'blocks', { payload: { ms: 8_000 } });
    assert.equal(status, 'COMPLETED');
    assert.deepEqual(await belfry.rows(`SELECT lost FROM runs WHERE job_id = 'blocks'`), [{ lost: 0 }]);
  });

  it('ignores its signal after a cancel: the run ends CANCELLED within 10 s', async () => {
    await belfry.client.schedule('stubborn', custom('stubborn', NOW, { payload: { ms: 20_000 } }));
    await belfry.untilRow('it has started', `SELECT 1 FROM sink WHERE job_id = 'stubborn'`);
    const cancelledAt = Date.now();
    await belfry.client.cancel('stubborn');
    await belfry.until('cancelled', (outcomes) =>
      outcomes.some(({ jobId, status }) => jobId === 'stubborn' && status === 'CANCELLED'),
    );
    assert.ok(Date.now() - cancelledAt < 10_000);
  });

  it('heeds its signal after a cancel: the run ends CANCELLED within a heartbeat', async () => {
    await belfry.client.schedule('obedient', custom('work', NOW, { payload: { ms: 20_000 } }));
    await belfry.untilRow('it has started', `SELECT 1 FROM sink WHERE job_id = 'obedient'`);
    await belfry.client.cancel('obedient');
    await belfry.until(
      'cancelled',
      (outcomes) => outcomes.some(({ jobId, status }) => jobId === 'obedient' && status === 'CANCELLED'),
      5_000,
    );
    await belfry.untilRow(
      'the handler saw the signal',
      `SELECT 1 FROM sink WHERE job_id = 'obedient' AND what = 'aborted'`,
    );
  });

  it('never ends: FAILED as timeout, and its slot is free again', async () => {
    const { status, error } = await ended('never');
    assert.deepEqual([status, error?.code], ['FAILED', 'timeout']);
    assert.match(error?.message ?? '', /abandoned/);
    assert.equal((await outcomeOf('next', 'noop', { queue: 'narrow' })).status, 'COMPLETED');
  });
});
