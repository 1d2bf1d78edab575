/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-argument --
   answers are held against the OpenAPI document, not against types */
/** Jobs over HTTP: made, replaced, steered, listed, one by one and many at once. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Json } from '../../integration/support/http-api.ts';
import { greet, LATER, type ApiStage } from './stage.ts';

export function jobsOverHttp(stage: ApiStage): void {
  const { ask, create, untilOutcomes } = stage;

  it('creates a job, which is there for whoever reads next', async () => {
    const { status, headers, body } = await ask('POST', '/api/jobs', { body: { jobId: 'first', ...greet(LATER) } });
    assert.equal(status, 201);
    assert.deepEqual([headers.get('location'), headers.get('etag')], ['/api/jobs/first', '"1"']);
    assert.deepEqual(
      [body.jobId, body.state, body.tenant, body.job.handler],
      ['first', 'SCHEDULED', 'default', 'noop'],
    );
    const read = await ask('GET', '/api/jobs/first');
    assert.deepEqual([read.status, read.body, read.headers.get('etag')], [200, body, '"1"']);
    const again = await ask('POST', '/api/jobs', { body: { jobId: 'first', ...greet(LATER) } });
    assert.deepEqual([again.status, again.body.type], [409, 'urn:belfry:problem:conflict']);
  });

  it('the same Idempotency-Key twice creates one job, with an id of its own', async () => {
    const headers = { 'idempotency-key': '"once-1"' };
    const body = greet(LATER);
    const answers = await Promise.all([1, 2, 3].map(() => ask('POST', '/api/jobs', { body, headers })));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
    assert.equal((await ask('POST', '/api/jobs', { body, headers })).status, 200, 'a repeat makes nothing');
    const reused = await ask('PUT', `/api/jobs/${answers[0]?.body.jobId}`, { body, headers });
    assert.deepEqual([reused.status, reused.body.type], [422, 'urn:belfry:problem:idempotency_key_reused']);
    assert.equal(new Set(answers.map((answer) => answer.body.jobId)).size, 1);
    const other = await ask('POST', '/api/jobs', { body });
    assert.notEqual(other.body.jobId, answers[0]?.body.jobId);
  });

  it('tells all that is wrong with a request, each with its place', async () => {
    const body = { type: 'CUSTOM', schedule: { cron: 'never', timezone: 'Mars' }, priority: 'urgent', colour: 'red' };
    const answer = await ask('POST', '/api/jobs', { body });
    assert.deepEqual([answer.status, answer.body.type], [400, 'urn:belfry:problem:invalid']);
    const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    assert.ok(
      ['#/colour', '#/priority'].every((pointer) => pointers.includes(pointer)),
      String(pointers),
    );
    const query = await ask('GET', '/api/jobs?state=SLEEPING&limit=0');
    assert.deepEqual(
      query.body.errors.map(({ parameter }: { parameter: string }) => parameter),
      ['state', 'limit'],
    );
    const never = await ask('POST', '/api/jobs', {
      body: { jobId: 'never', ...greet({ cron: '0 0 30 2 *' }) },
    });
    assert.ok([400, 422].includes(never.status), JSON.stringify(never.body));
    await ask('PUT', '/api/jobs/before', { body: greet(LATER) });
    await ask('PUT', '/api/jobs/behind', { body: greet({ after: [{ job: 'before' }] }) });
    const ring = await ask('PUT', '/api/jobs/before', { body: greet({ after: [{ job: 'behind' }] }) });
    assert.deepEqual(
      [ring.status, ring.body.type, ring.body.errors[0].pointer],
      [409, 'urn:belfry:problem:cycle', '#/schedule/after'],
    );
  });

  it('replaces a job, only the version that was meant where If-Match says so', async () => {
    const put = (headers: Record<string, string>, every = '2h') =>
      ask('PUT', '/api/jobs/versioned', { body: greet({ every }), headers });
    assert.equal((await put({ 'if-match': '"1"' })).status, 412);
    assert.deepEqual([(await put({})).status, (await put({})).status], [201, 200]);
    const third = await put({ 'if-match': '"2"' }, '3h');
    assert.deepEqual([third.status, third.headers.get('etag'), third.body.job.schedule.every], [200, '"3"', '3h']);
    assert.equal((await put({ 'if-match': '"2"' })).status, 412);
    assert.equal((await put({ 'if-none-match': '*' })).status, 412);
    const weak = await put({ 'if-match': 'W/"3"' });
    assert.deepEqual([weak.status, weak.body.errors[0].header], [412, 'If-Match']);
    const paused = await ask('POST', '/api/jobs/versioned/pause', { headers: { 'if-match': '"3"' } });
    assert.equal(paused.status, 400, 'a condition is never ignored');
  });

  it('pauses, resumes, triggers and cancels', async () => {
    await create('steered', greet(LATER));
    assert.equal((await ask('POST', '/api/jobs/steered/pause')).body.state, 'PAUSED');
    const again = await ask('POST', '/api/jobs/steered/pause');
    assert.equal(again.headers.get('belfry-outcome'), 'unchanged');
    assert.equal((await ask('POST', '/api/jobs/steered/resume')).body.state, 'SCHEDULED');
    const triggered = await ask('POST', '/api/jobs/steered/trigger', { body: { payload: null } });
    assert.equal(triggered.status, 200);
    assert.equal((await ask('POST', '/api/jobs/steered/execute')).status, 200);
    await untilOutcomes('steered', 1);
    const cause = triggered.headers.get('belfry-command-id') ?? '';
    const { body } = await ask('GET', `/api/runs?cause=${cause}`);
    assert.deepEqual([body.runs.length, body.runs[0].trigger], [1, 'manual']);
    const run = await ask('GET', `/api/runs/${body.runs[0].runId}`);
    assert.deepEqual([run.status, run.body.jobId], [200, 'steered']);
    assert.equal((await ask('DELETE', '/api/jobs/steered')).body.state, 'CANCELLED');
    const refused = await ask('POST', '/api/jobs/steered/trigger');
    assert.deepEqual([refused.status, refused.body.type], [409, 'urn:belfry:problem:conflict']);
    assert.equal((await ask('POST', '/api/jobs/nobody/pause')).status, 404);
    const unread = await ask('POST', '/api/jobs/steered/pause', { body: { until: 'tomorrow' } });
    assert.deepEqual([unread.status, unread.body.errors[0].pointer], [400, '#/until']);
  });

  it('lists jobs page by page, in any order, each once', async () => {
    for (let index = 0; index < 7; index += 1) {
      await create(
        `page-${index}`,
        greet({ every: `${index + 1}h` }, { labels: { team: 'pages', odd: String(index % 2) } }),
      );
    }
    for (const sort of ['jobId', '-jobId', 'nextFireAt', '-nextFireAt', 'createdAt', '-updatedAt']) {
      const seen: string[] = [];
      for (let cursor = ''; ;) {
        const { body } = await ask('GET', `/api/jobs?label=team=pages&limit=3&sort=${sort}${cursor}`);
        seen.push(...body.jobs.map(({ jobId }: { jobId: string }) => jobId));
        if (body.nextCursor === null) break;
        cursor = `&cursor=${body.nextCursor}`;
      }
      const ids = [0, 1, 2, 3, 4, 5, 6].map((index) => `page-${index}`);
      assert.deepEqual(seen, sort.startsWith('-') ? ids.toReversed() : ids, sort);
    }
    const odd = await ask('GET', '/api/jobs?label=team=pages&label=odd=1&text=PAGE&type=CUSTOM&state=SCHEDULED');
    assert.equal(odd.body.jobs.length, 3);
    const { body } = await ask('GET', '/api/jobs?limit=1&sort=createdAt');
    assert.equal((await ask('GET', `/api/jobs?sort=jobId&cursor=${body.nextCursor}`)).status, 400);
  });

  it('creates many jobs at once, a result for each', async () => {
    const jobs = [{ jobId: 'many-1', ...greet(LATER) }, { jobId: 'many-2', type: 'CUSTOM' }, greet(LATER), 7];
    const { status, body } = await ask('POST', '/api/jobs/batch', { body: { jobs } });
    assert.equal(status, 200);
    const statuses = body.results.map((result: Json) => result.status);
    assert.deepEqual(statuses, [201, 400, 201, 400]);
    assert.equal(body.results[1].problem.errors[0].pointer, '#/schedule');
    const headers = { 'idempotency-key': 'batch-1' };
    const twice = [1, 2].map(() =>
      ask('POST', '/api/jobs/batch', { body: { jobs: [greet(LATER), greet(LATER)] }, headers }),
    );
    const [once, again] = await Promise.all(twice);
    const ids = (answer: Json) => answer.body.results.map(({ jobId }: Json) => jobId);
    assert.deepEqual([ids(again), new Set(ids(once)).size], [ids(once), 2], 'sent again, it has one effect');
    const thousand = Array.from({ length: 1_000 }, (_, index) => ({ jobId: `k-${index}`, ...greet(LATER) }));
    const all = await ask('POST', '/api/jobs/batch', { body: { jobs: thousand } });
    assert.ok(all.body.results.every((result: Json) => result.status === 201));
    const tooMany = await ask('POST', '/api/jobs/batch', { body: { jobs: [...thousand, ...jobs] } });
    assert.equal(tooMany.status, 400);
  });

  it('pauses all that a filter finds, after a look at how many there are', async () => {
    for (const jobId of ['bulk-1', 'bulk-2']) await create(jobId, greet(LATER, { labels: { bulk: 'yes' } }));
    const body = { action: 'pause', filter: { labels: { bulk: 'yes' } } };
    const look = await ask('POST', '/api/jobs/bulk', { body });
    assert.deepEqual([look.body.dryRun, look.body.matched, look.body.done], [true, 2, 0]);
    const blind = await ask('POST', '/api/jobs/bulk', { body: { ...body, dryRun: false } });
    assert.deepEqual([blind.status, blind.body.errors[0].pointer], [400, '#/expected']);
    await create('bulk-3', greet(LATER, { labels: { bulk: 'yes' } }));
    const stale = await ask('POST', '/api/jobs/bulk', { body: { ...body, dryRun: false, expected: 2 } });
    assert.equal(stale.status, 409);
    const done = await ask('POST', '/api/jobs/bulk', { body: { ...body, dryRun: false, expected: 3 } });
    assert.deepEqual([done.body.done, done.body.failed], [3, []]);
    assert.equal((await ask('GET', '/api/jobs/bulk-3')).body.state, 'PAUSED');
  });
}
