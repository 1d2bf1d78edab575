/** What users do to jobs, through real Kafka and PostgreSQL. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Outcome } from '../../services/core/records.ts';
import { TestDeployment } from './support/deployment.ts';
import { custom, inMs, NO_RETRY, NOW } from './support/jobs.ts';

describe('the life of a job', { timeout: 120_000, concurrency: true }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create({ queues: ['reports'] });
    await Promise.all([belfry.timer(), belfry.executor()]);
  });
  after(() => belfry.destroy());

  const outcomesOf = (jobId: string): Outcome[] => belfry.outcomes.filter((outcome) => outcome.jobId === jobId);
  const untilOutcomes = (jobId: string, count: number, timeoutMs?: number): Promise<void> =>
    belfry.until(`${count} outcomes of ${jobId}`, () => outcomesOf(jobId).length >= count, timeoutMs);

  it('fixedDelay waits for the end of each run, maxRuns ends it', async () => {
    const schedule = { fixedDelay: '500ms', maxRuns: 3 };
    await belfry.client.schedule('fixed', custom('wait', schedule, { payload: { ms: 300 } }));
    await untilOutcomes('fixed', 3);
    const runs = outcomesOf('fixed');
    for (const [index, run] of runs.entries()) {
      if (index > 0) assert.equal(run.scheduledFor - (runs[index - 1]?.finishedAt ?? 0), 500);
    }
    await belfry.untilRow('finished', `SELECT 1 FROM jobs WHERE job_id = 'fixed' AND state = 'FINISHED'`);
  });

  it('a cron with seconds fires at its seconds, never early', async () => {
    await belfry.client.schedule('cron', custom('stamp', { cron: '*/2 * * * * *', maxRuns: 2 }));
    await untilOutcomes('cron', 2);
    for (const { scheduledFor, result } of outcomesOf('cron')) {
      assert.equal(scheduledFor % 2_000, 0);
      assert.ok((result as number) >= scheduledFor);
    }
  });

  it('what passes during a pause is SKIPPED (paused), one row and one event each; then it goes on', async () => {
    await belfry.client.schedule('paused', custom('record', { every: '1s' }));
    await untilOutcomes('paused', 1);
    assert.equal((await belfry.client.pause('paused')).state, 'PAUSED');
    assert.equal((await belfry.client.pause('paused')).outcome, 'unchanged');
    const { nextFireAt } = await belfry.client.trigger('paused');
    assert.equal(nextFireAt, null);
    await belfry.client.schedule('beside', custom('record', { every: '1s', maxRuns: 4 }));
    await untilOutcomes('beside', 3);
    assert.equal((await belfry.client.resume('paused')).state, 'SCHEDULED');
    const skipped = (): Outcome[] => outcomesOf('paused').filter(({ reason }) => reason === 'paused');
    const completed = (): Outcome[] => outcomesOf('paused').filter(({ status }) => status === 'COMPLETED');
    await belfry.until('two are skipped, and it goes on', () => skipped().length >= 2 && completed().length >= 3);
    assert.ok(skipped().every(({ status }) => status === 'SKIPPED'));
    assert.ok(outcomesOf('paused').some(({ trigger }) => trigger === 'manual'));
    await belfry.client.cancel('paused');
  });

  it('a trigger brings its own payload and runs once, however often its command is sent', async () => {
    await belfry.client.schedule(
      'triggered',
      custom('flaky', { in: '1h' }, { payload: { until: 9 }, retry: NO_RETRY }),
    );
    const options = { commandId: 'trigger-1', payload: { until: 1 } };
    assert.equal((await belfry.client.trigger('triggered', options)).outcome, 'applied');
    assert.equal((await belfry.client.trigger('triggered', options)).outcome, 'duplicate');
    await untilOutcomes('triggered', 1);
    const [run] = outcomesOf('triggered');
    assert.deepEqual([run?.status, run?.trigger, run?.cause], ['COMPLETED', 'manual', 'trigger-1']);
    assert.equal((await belfry.rows(`SELECT 1 FROM runs WHERE job_id = 'triggered'`)).length, 1);
  });

  it('overlap: a second run is SKIPPED while the first goes on, buffered where the job says so', async () => {
    await belfry.client.schedule('skips', custom('wait', { in: '1h' }, { payload: { ms: 1_500 }, overlap: 'skip' }));
    await belfry.client.schedule(
      'buffers',
      custom('wait', { in: '1h' }, { payload: { ms: 800 }, overlap: 'buffer_one' }),
    );
    for (const jobId of ['skips', 'buffers']) {
      await belfry.client.trigger(jobId);
      await belfry.client.trigger(jobId);
    }
    await untilOutcomes('skips', 2);
    assert.deepEqual(
      outcomesOf('skips')
        .map(({ status, reason }) => [status, reason])
        .sort(),
      [
        ['COMPLETED', null],
        ['SKIPPED', 'overlap'],
      ],
    );
    await untilOutcomes('buffers', 2);
    const [first, second] = outcomesOf('buffers');
    assert.deepEqual([first?.status, second?.status], ['COMPLETED', 'COMPLETED']);
    assert.ok((second?.startedAt ?? 0) >= (first?.finishedAt ?? Infinity), 'one after the other');
  });

  it('a dead run is replayed with the key of the first; again only by force while a replay lives or has completed', async () => {
    await belfry.client.schedule('dead', custom('fails', NOW, { retry: NO_RETRY }));
    await untilOutcomes('dead', 1);
    const [dead] = outcomesOf('dead');
    assert.ok(dead);
    await belfry.client.replay('dead', dead.runId);
    await untilOutcomes('dead', 2);
    const replay = outcomesOf('dead')[1];
    assert.deepEqual(
      [replay?.trigger, replay?.replayOf, replay?.scheduledFor],
      ['replay', dead.runId, dead.scheduledFor],
    );
    const keys = await belfry.rows(`SELECT DISTINCT idempotency_key FROM sink WHERE job_id = 'dead'`);
    assert.equal(keys.length, 1);
    await assert.rejects(belfry.client.replay('dead', '00000000-0000-8000-8000-000000000000'), { code: 'unknown_run' });
  });

  it('ifExists and ifVersion guard against surprises; the same schedule again keeps its next occurrence', async () => {
    const job = custom('noop', { every: '1h' });
    const created = await belfry.client.schedule('guarded', job);
    assert.equal(created.version, 1);
    assert.equal((await belfry.client.schedule('guarded', job, { ifExists: 'keep' })).outcome, 'unchanged');
    await assert.rejects(belfry.client.schedule('guarded', job, { ifExists: 'reject' }), { code: 'conflict' });
    await assert.rejects(belfry.client.schedule('guarded', job, { ifVersion: 7 }), { code: 'conflict' });
    const again = await belfry.client.schedule('guarded', { ...job, priority: 'high' }, { ifVersion: 1 });
    assert.deepEqual([again.version, again.nextFireAt], [2, created.nextFireAt]);
    await assert.rejects(belfry.client.schedule('guarded', custom('noop', { every: '1ms' })), {
      code: 'invalid',
      field: 'job.schedule.every',
    });
  });

  it('a cancelled job never runs: not its next occurrence, not a retry that waits', async () => {
    await belfry.client.schedule('cancelled', custom('record', inMs(4_000)));
    await belfry.client.schedule('its-neighbour', custom('record', inMs(4_300)));
    assert.equal((await belfry.client.cancel('cancelled')).state, 'CANCELLED');
    await belfry.client.schedule('retrying', custom('fails', NOW, { retry: { initialDelay: '1h', maxDelay: '1h' } }));
    await belfry.untilRow(
      'it waits for its retry',
      `SELECT 1 FROM timers WHERE job_id = 'retrying' AND kind = 'retry'`,
    );
    await belfry.client.cancel('retrying');
    await untilOutcomes('retrying', 1);
    assert.equal(outcomesOf('retrying')[0]?.status, 'CANCELLED');
    await untilOutcomes('its-neighbour', 1);
    assert.deepEqual(await belfry.rows(`SELECT 1 FROM sink WHERE job_id = 'cancelled'`), []);
  });

  it('a queue has executors of its own; a queue that nobody made is refused', async () => {
    await belfry.client.schedule('report', custom('record', NOW, { queue: 'reports' }));
    const executor = await belfry.executor({ queue: 'reports' });
    await untilOutcomes('report', 1);
    const [row] = await belfry.rows<{ pid: number }>(`SELECT pid FROM sink WHERE job_id = 'report'`);
    assert.equal(row?.pid, executor.pid);
    await assert.rejects(belfry.client.schedule('lost', custom('record', NOW, { queue: 'nowhere' })), {
      code: 'invalid',
      field: 'job.queue',
    });
  });

  it('HTTP_REQUEST sends its request with the idempotency key, and retries what may pass', async () => {
    const requests: IncomingMessage[] = [];
    const server = createServer((request, response) => {
      requests.push(request);
      response.writeHead(requests.length === 1 ? 503 : 200, { 'content-type': 'text/plain' }).end('thank you');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const payload = { method: 'POST' as const, url, body: { hello: 'world' } };
    await belfry.client.schedule('http', {
      type: 'HTTP_REQUEST',
      payload,
      schedule: NOW,
      retry: { initialDelay: '100ms' },
    });
    await untilOutcomes('http', 1);
    server.close();
    const [outcome] = outcomesOf('http');
    assert.deepEqual([outcome?.status, outcome?.attempt], ['COMPLETED', 2]);
    assert.deepEqual(outcome?.result, { status: 200, contentType: 'text/plain', body: 'thank you' });
    assert.equal(new Set(requests.map(({ headers }) => headers['idempotency-key'])).size, 1);
    assert.equal(requests[0]?.headers['idempotency-key'], outcome?.runId);
  });

  it('progress of a run is kept for people to see while it goes on', async () => {
    await belfry.client.schedule('slow', custom('progress', NOW, { payload: { ms: 4_000 } }));
    const { progress } = await belfry.untilRow(
      'progress',
      `SELECT progress FROM runs WHERE job_id = 'slow' AND progress IS NOT NULL`,
    );
    assert.deepEqual(JSON.parse(progress as string), { fraction: 0.5, note: 'half way' });
  });
});
