/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   answers are held against the OpenAPI document, not against types */
/** Why a job ran or did not, through real Kafka, PostgreSQL, HTTP and the command line. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from '../integration/support/deployment.ts';
import { HttpApi, type Json } from '../integration/support/http-api.ts';
import { custom, NO_RETRY, NOW } from '../integration/support/jobs.ts';
import type { Service } from '../integration/support/service.ts';

const main = join(import.meta.dirname, '../../services/cli/main.ts');
/** Of NOW. */
const AT = '2026-01-01T00:00:00Z';

describe('why', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  let timer: Service;
  let api: HttpApi;
  let env: Record<string, string>;

  before(async () => {
    belfry = await TestDeployment.create({ partitions: 3, queues: ['idle'] });
    const key = await belfry.key(['admin']);
    const service = await belfry.api();
    [timer] = await Promise.all([belfry.timer(), belfry.executor()]);
    api = await HttpApi.at(await service.port, key);
    env = { PATH: process.env.PATH ?? '', BELFRY_API_URL: api.url, BELFRY_API_KEY: key };
  });
  after(() => belfry.destroy());

  const storiesOf = async (jobId: string, at?: string): Promise<Json[]> => {
    const { status, body } = await api.ask('GET', `/api/jobs/${jobId}/why${at === undefined ? '' : `?at=${at}`}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body.stories;
  };
  const ended = (jobId: string, status: string) =>
    belfry.until(`${jobId} ${status}`, (all) => all.some((each) => each.jobId === jobId && each.status === status));
  const cli = (with_: Record<string, string>, ...args: string[]): Promise<{ code: number; stdout: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [main, ...args], { env: with_ }, (error, stdout) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout }),
      );
    });

  it('tells the way of a run from its command to its outcome', async () => {
    await belfry.client.schedule('ran', custom('noop', NOW), { commandId: 'c-ran' });
    await ended('ran', 'COMPLETED');
    const [story] = await storiesOf('ran', AT);
    assert.equal(story.verdict, 'completed');
    const told = story.lines.map(({ what, text }: Json) => `${what}: ${text}`);
    assert.match(
      told[0],
      /^accepted: version 1 of the job, by command c-ran \(.*job\.commands, partition \d, offset \d+\)$/,
    );
    assert.match(told[2], /^started: attempt 1 on /);
    assert.equal(told[3], 'ended: COMPLETED');
    const [latest, next] = await storiesOf('ran');
    assert.deepEqual([latest.runId, next.verdict], [story.runId, 'over']);
  });

  it('a command enqueued in a transaction is told as such', async () => {
    const job = custom('noop', { in: '1d' });
    await belfry.rows('SELECT enqueue($1)', [{ type: 'schedule', jobId: 'enqueued', job }]);
    await belfry.untilRow('it is applied', `SELECT FROM jobs WHERE job_id = 'enqueued'`);
    const [story] = await storiesOf('enqueued');
    assert.equal(story.verdict, 'not_due');
    assert.match(story.lines[0].text, /enqueued in a transaction/);
  });

  it('tells what to do about a failure, and of the replay that mended it', async () => {
    await belfry.client.schedule('failed', custom('fails', NOW, { retry: NO_RETRY }));
    await ended('failed', 'FAILED');
    const [story] = await storiesOf('failed', AT);
    assert.deepEqual([story.verdict, story.answer], ['failed', 'it failed: handler_error: attempt 1 fails']);
    assert.equal(story.advice.includes(`belfry dlq replay ${story.runId}`), true);
  });

  it('tells why an occurrence was skipped', async () => {
    await belfry.client.schedule('skipped', custom('wait', { every: '1s' }, { payload: { ms: 60_000 } }));
    await ended('skipped', 'SKIPPED');
    const outcome = [...belfry.distinct('SKIPPED').values()].find(({ jobId }) => jobId === 'skipped')!;
    const [story] = await storiesOf('skipped', new Date(outcome.scheduledFor).toISOString());
    assert.deepEqual([story.verdict, story.runId], ['skipped', outcome.runId]);
    assert.match(story.answer, /a run before it was still going/);
    assert.match(story.advice, /buffer_one/);
    await belfry.client.cancel('skipped');
    assert.deepEqual((await storiesOf('skipped')).at(-1).verdict, 'over');
  });

  it('tells whom a run waits for: an executor, a handler, a place, another run', async () => {
    await belfry.client.schedule('unserved', custom('noop', NOW, { queue: 'idle' }));
    await belfry.untilRow('it was decided', `SELECT FROM jobs WHERE job_id = 'unserved' AND state = 'FINISHED'`);
    const [unserved] = await storiesOf('unserved');
    assert.deepEqual([unserved.verdict, unserved.advice.includes('--queue idle')], ['waits_for_executor', true]);

    await belfry.client.schedule('unknown-handler', custom('nobody-has-this', NOW));
    await belfry.untilRow('it is handed over', `SELECT FROM parked WHERE handler = 'nobody-has-this'`);
    const [unhandled] = await storiesOf('unknown-handler');
    assert.deepEqual([unhandled.verdict, /has nobody-has-this/.test(unhandled.answer)], ['waits_for_executor', true]);

    const shared = { payload: { ms: 60_000 }, concurrencyKey: 'one' };
    await belfry.client.schedule('place-1', custom('work', NOW, shared));
    await belfry.untilRow('the first one runs', `SELECT FROM sink WHERE job_id = 'place-1'`);
    await belfry.client.schedule('place-2', custom('work', NOW, shared));
    await belfry.untilRow('the second one waits', `SELECT FROM parked WHERE kind = 'waiting'`);
    const [limited] = await storiesOf('place-2', AT);
    assert.deepEqual(
      [limited.verdict, /the concurrency key one, of which 1/.test(limited.answer)],
      ['waits_for_limit', true],
    );
    assert.equal((await storiesOf('place-1', AT))[0].verdict, 'running');
    await belfry.client.cancel('place-1');

    await belfry.client.schedule('chained', custom('noop', { after: [{ job: 'unserved' }] }));
    const [chained] = await storiesOf('chained');
    assert.deepEqual([chained.verdict, /unserved \(success\)/.test(chained.answer)], ['waits_for_upstream', true]);
    await belfry.client.schedule('listens', custom('noop', { on: 'user.signup' }));
    assert.equal((await storiesOf('listens'))[0].verdict, 'waits_for_event');
  });

  it('a job whose command waits for another is told as that, over HTTP with 202, until that one is there', async () => {
    const body = { type: 'CUSTOM', handler: 'noop', schedule: { after: [{ job: 'comes-later' }] } };
    const sent = await api.ask('PUT', '/api/jobs/comes-first', { body });
    assert.deepEqual([sent.status, sent.body.status], [202, 'accepted']);
    const [waits] = await storiesOf('comes-first');
    assert.deepEqual([waits.verdict, /waits for comes-later/.test(waits.answer)], ['waits_for_upstream', true]);
    await belfry.client.schedule('comes-later', custom('noop', { every: '1h' }));
    const again = await api.ask('PUT', '/api/jobs/comes-first', { body });
    assert.equal(again.status, 200, 'the same, after the one that waited');
    await belfry.client.schedule('behind-it', custom('noop', { after: [{ job: 'comes-first' }] }));
  });

  it('a refused command is the answer where there is no job, and stands beside a time that is none', async () => {
    await belfry.client.resume('nobody').catch(() => undefined);
    const [refused] = await storiesOf('nobody');
    assert.deepEqual([refused.verdict, /unknown_job/.test(refused.answer)], ['refused', true]);
    assert.equal((await storiesOf('no-trace'))[0].verdict, 'unknown_job');
    const other = await HttpApi.at(Number(new URL(api.url).port), await belfry.key(['read'], 'acme'));
    assert.equal((await other.ask('GET', '/api/jobs/ran/why')).body.stories[0].verdict, 'unknown_job');
  });

  it('lists occurrences that passed with their runs, and those to come, page by page', async () => {
    const startAt = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 500).toISOString();
    await belfry.client.schedule('ticks', custom('noop', { every: '1s', startAt, maxRuns: 6 }, { overlap: 'allow' }));
    await belfry.until('two ticks', (all) => all.filter(({ jobId }) => jobId === 'ticks').length >= 2);
    await belfry.client.pause('ticks');
    const all: Json[] = [];
    for (let cursor = ''; all.length === 0 || cursor !== '';) {
      const path = `/api/jobs/ticks/occurrences?from=${startAt}&limit=2${cursor}`;
      const { body } = await api.ask('GET', path);
      all.push(...body.occurrences);
      cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
    }
    assert.deepEqual(
      all.map(({ at }) => (Date.parse(at) - Date.parse(startAt)) / 1_000),
      [0, 1, 2, 3, 4, 5],
    );
    const statuses = all.map(({ run }) => run?.status ?? null);
    assert.equal(statuses.filter((status) => status === 'COMPLETED').length >= 2, true, String(statuses));
    assert.equal(statuses.at(-1), null);
    const paused = await storiesOf('ticks', all.at(-1).at);
    assert.deepEqual([paused[0].verdict, paused[0].lines.at(-1).what], ['paused', 'pause']);
    const between = await api.ask('GET', `/api/jobs/ticks/occurrences?from=${startAt}&to=${all[1].at}`);
    assert.equal(between.body.occurrences.length, 1);
  });

  it('the command line tells the same over HTTP and beside the servers', async () => {
    for (const args of [
      ['why', 'ran', '--at', AT],
      ['why', 'failed', '--at', AT],
      ['why', 'nobody'],
      ['why', 'ticks'],
    ]) {
      const [one, other] = await Promise.all([cli(env, ...args), cli(belfry.env, ...args)]);
      const steady = ({ stdout }: { stdout: string }) => stdout.replaceAll(/\([^)]* ago\)|\(\d+m?\d*s\)/g, '');
      assert.equal(steady(one), steady(other));
      assert.deepEqual([one.code, other.code], args[1] === 'nobody' ? [4, 4] : [0, 0], one.stdout);
    }
    const { stdout } = await cli(env, 'why', 'failed', '--at', AT);
    assert.match(
      stdout,
      /^failed, 2026-01-01T00:00:00.000Z \(.*\): FAILED\n {2}It failed: handler_error: attempt 1 fails\.\n/,
    );
    assert.equal((await cli(env, 'why', 'ran', '--at', 'noon')).code, 2);
  });

  it('an occurrence that no timer decides is told as overdue, with the partition and its last owner', async () => {
    const at = { at: new Date(Date.now() + 2_000).toISOString() };
    await belfry.client.schedule('stranded', custom('noop', at, { overlap: 'skip' }));
    await timer.kill('SIGKILL');
    const overdue = async (): Promise<Json> => {
      for (;;) {
        const [story] = await storiesOf('stranded');
        if (story.verdict === 'overdue') return story;
        assert.ok(['not_due', 'deciding'].includes(story.verdict), story.verdict);
        await belfry.untilRow('a while passed', 'SELECT pg_sleep(0.2)');
      }
    };
    assert.match((await overdue()).answer, /no timer does the work of partition \d.*its last owner was /);
  });
});
