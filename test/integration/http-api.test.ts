/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-argument --
   answers are held against the OpenAPI document, not against types */
/** The HTTP API, through real HTTP, Kafka and PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from './support/deployment.ts';
import { HttpApi, type Json } from './support/http-api.ts';
import type { Service } from './support/service.ts';

const greet = (schedule: object, more: object = {}) => ({ type: 'CUSTOM', handler: 'noop', schedule, ...more });
const LATER = { every: '1h' };

describe('the HTTP API', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  let service: Service;
  let api: HttpApi;
  let key: string;

  before(async () => {
    belfry = await TestDeployment.create({ env: { BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') } });
    key = await belfry.key(['admin']);
    [service] = await Promise.all([belfry.api(), belfry.timer(), belfry.executor()]);
    api = await HttpApi.at(await service.port, key);
  });
  after(() => belfry.destroy());

  const create = async (jobId: string, job: object): Promise<Json> => {
    const { status, body } = await api.ask('POST', '/api/jobs', { body: { jobId, ...job } });
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  };
  const untilOutcomes = (jobId: string, count: number) =>
    belfry.until(
      `${count} outcomes of ${jobId}`,
      (outcomes) => outcomes.filter((outcome) => outcome.jobId === jobId).length >= count,
    );

  it('creates a job, which is there for whoever reads next', async () => {
    const { status, headers, body } = await api.ask('POST', '/api/jobs', { body: { jobId: 'first', ...greet(LATER) } });
    assert.equal(status, 201);
    assert.deepEqual([headers.get('location'), headers.get('etag')], ['/api/jobs/first', '"1"']);
    assert.deepEqual(
      [body.jobId, body.state, body.tenant, body.job.handler],
      ['first', 'SCHEDULED', 'default', 'noop'],
    );
    const read = await api.ask('GET', '/api/jobs/first');
    assert.deepEqual([read.status, read.body, read.headers.get('etag')], [200, body, '"1"']);
    const again = await api.ask('POST', '/api/jobs', { body: { jobId: 'first', ...greet(LATER) } });
    assert.deepEqual([again.status, again.body.type], [409, 'urn:belfry:problem:conflict']);
  });

  it('the same Idempotency-Key twice creates one job, with an id of its own', async () => {
    const headers = { 'idempotency-key': '"once-1"' };
    const body = greet(LATER);
    const answers = await Promise.all([1, 2, 3].map(() => api.ask('POST', '/api/jobs', { body, headers })));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
    assert.equal(new Set(answers.map((answer) => answer.body.jobId)).size, 1);
    const other = await api.ask('POST', '/api/jobs', { body });
    assert.notEqual(other.body.jobId, answers[0]?.body.jobId);
  });

  it('tells all that is wrong with a request, each with its place', async () => {
    const body = { type: 'CUSTOM', schedule: { cron: 'never', timezone: 'Mars' }, priority: 'urgent', colour: 'red' };
    const answer = await api.ask('POST', '/api/jobs', { body });
    assert.deepEqual([answer.status, answer.body.type], [400, 'urn:belfry:problem:invalid']);
    const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
    assert.ok(
      ['#/colour', '#/priority'].every((pointer) => pointers.includes(pointer)),
      String(pointers),
    );
    const query = await api.ask('GET', '/api/jobs?state=SLEEPING&limit=0');
    assert.deepEqual(
      query.body.errors.map(({ parameter }: { parameter: string }) => parameter),
      ['state', 'limit'],
    );
    const never = await api.ask('POST', '/api/jobs', {
      body: { jobId: 'never', ...greet({ cron: '0 0 30 2 *' }) },
    });
    assert.ok([400, 422].includes(never.status), JSON.stringify(never.body));
    const chained = await api.ask('POST', '/api/jobs', { body: greet({ after: [{ job: 'x' }] }) });
    assert.deepEqual(
      [chained.status, chained.body.type, chained.body.errors[0].pointer],
      [422, 'urn:belfry:problem:unknown_job', '#/schedule/after'],
    );
  });

  it('replaces a job, only the version that was meant where If-Match says so', async () => {
    const put = (headers: Record<string, string>, every = '2h') =>
      api.ask('PUT', '/api/jobs/versioned', { body: greet({ every }), headers });
    assert.equal((await put({ 'if-match': '"1"' })).status, 412);
    assert.deepEqual([(await put({})).status, (await put({})).status], [201, 200]);
    const third = await put({ 'if-match': '"2"' }, '3h');
    assert.deepEqual([third.status, third.headers.get('etag'), third.body.job.schedule.every], [200, '"3"', '3h']);
    assert.equal((await put({ 'if-match': '"2"' })).status, 412);
    assert.equal((await put({ 'if-none-match': '*' })).status, 412);
    assert.equal((await put({ 'if-match': 'W/"3"' })).status, 400);
    const paused = await api.ask('POST', '/api/jobs/versioned/pause', { headers: { 'if-match': '"3"' } });
    assert.equal(paused.status, 400, 'a condition is never ignored');
  });

  it('pauses, resumes, triggers and cancels', async () => {
    await create('steered', greet(LATER));
    assert.equal((await api.ask('POST', '/api/jobs/steered/pause')).body.state, 'PAUSED');
    const again = await api.ask('POST', '/api/jobs/steered/pause');
    assert.equal(again.headers.get('belfry-outcome'), 'unchanged');
    assert.equal((await api.ask('POST', '/api/jobs/steered/resume')).body.state, 'SCHEDULED');
    const triggered = await api.ask('POST', '/api/jobs/steered/trigger', { body: { payload: null } });
    assert.equal(triggered.status, 200);
    assert.equal((await api.ask('POST', '/api/jobs/steered/execute')).status, 200);
    await untilOutcomes('steered', 1);
    const cause = triggered.headers.get('belfry-command-id') ?? '';
    const { body } = await api.ask('GET', `/api/runs?cause=${cause}`);
    assert.deepEqual([body.runs.length, body.runs[0].trigger], [1, 'manual']);
    const run = await api.ask('GET', `/api/runs/${body.runs[0].runId}`);
    assert.deepEqual([run.status, run.body.jobId], [200, 'steered']);
    assert.equal((await api.ask('DELETE', '/api/jobs/steered')).body.state, 'CANCELLED');
    const refused = await api.ask('POST', '/api/jobs/steered/trigger');
    assert.deepEqual([refused.status, refused.body.type], [409, 'urn:belfry:problem:conflict']);
    assert.equal((await api.ask('POST', '/api/jobs/nobody/pause')).status, 404);
    const unread = await api.ask('POST', '/api/jobs/steered/pause', { body: { until: 'tomorrow' } });
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
        const { body } = await api.ask('GET', `/api/jobs?label=team=pages&limit=3&sort=${sort}${cursor}`);
        seen.push(...body.jobs.map(({ jobId }: { jobId: string }) => jobId));
        if (body.nextCursor === null) break;
        cursor = `&cursor=${body.nextCursor}`;
      }
      const ids = [0, 1, 2, 3, 4, 5, 6].map((index) => `page-${index}`);
      assert.deepEqual(seen, sort.startsWith('-') ? ids.toReversed() : ids, sort);
    }
    const odd = await api.ask('GET', '/api/jobs?label=team=pages&label=odd=1&text=PAGE&type=CUSTOM&state=SCHEDULED');
    assert.equal(odd.body.jobs.length, 3);
    const { body } = await api.ask('GET', '/api/jobs?limit=1&sort=createdAt');
    assert.equal((await api.ask('GET', `/api/jobs?sort=jobId&cursor=${body.nextCursor}`)).status, 400);
  });

  it('creates many jobs at once, a result for each', async () => {
    const jobs = [{ jobId: 'many-1', ...greet(LATER) }, { jobId: 'many-2', type: 'CUSTOM' }, greet(LATER), 7];
    const { status, body } = await api.ask('POST', '/api/jobs/batch', { body: { jobs } });
    assert.equal(status, 200);
    const statuses = body.results.map((result: Json) => result.status);
    assert.deepEqual(statuses, [201, 400, 201, 400]);
    assert.equal(body.results[1].problem.errors[0].pointer, '#/schedule');
    const headers = { 'idempotency-key': 'batch-1' };
    const twice = [1, 2].map(() =>
      api.ask('POST', '/api/jobs/batch', { body: { jobs: [greet(LATER), greet(LATER)] }, headers }),
    );
    const [once, again] = await Promise.all(twice);
    const ids = (answer: Json) => answer.body.results.map(({ jobId }: Json) => jobId);
    assert.deepEqual([ids(again), new Set(ids(once)).size], [ids(once), 2], 'sent again, it has one effect');
    const thousand = Array.from({ length: 1_000 }, (_, index) => ({ jobId: `k-${index}`, ...greet(LATER) }));
    const all = await api.ask('POST', '/api/jobs/batch', { body: { jobs: thousand } });
    assert.ok(all.body.results.every((result: Json) => result.status === 201));
    const tooMany = await api.ask('POST', '/api/jobs/batch', { body: { jobs: [...thousand, ...jobs] } });
    assert.equal(tooMany.status, 400);
  });

  it('pauses all that a filter finds, after a look at how many there are', async () => {
    for (const jobId of ['bulk-1', 'bulk-2']) await create(jobId, greet(LATER, { labels: { bulk: 'yes' } }));
    const body = { action: 'pause', filter: { labels: { bulk: 'yes' } } };
    const look = await api.ask('POST', '/api/jobs/bulk', { body });
    assert.deepEqual([look.body.dryRun, look.body.matched, look.body.done], [true, 2, 0]);
    const blind = await api.ask('POST', '/api/jobs/bulk', { body: { ...body, dryRun: false } });
    assert.deepEqual([blind.status, blind.body.errors[0].pointer], [400, '#/expected']);
    await create('bulk-3', greet(LATER, { labels: { bulk: 'yes' } }));
    const stale = await api.ask('POST', '/api/jobs/bulk', { body: { ...body, dryRun: false, expected: 2 } });
    assert.equal(stale.status, 409);
    const done = await api.ask('POST', '/api/jobs/bulk', { body: { ...body, dryRun: false, expected: 3 } });
    assert.deepEqual([done.body.done, done.body.failed], [3, []]);
    assert.equal((await api.ask('GET', '/api/jobs/bulk-3')).body.state, 'PAUSED');
  });

  it('lists dead runs, runs them again, and settles them', async () => {
    const failing = { type: 'CUSTOM', handler: 'fails', retry: { maxRetries: 0 }, schedule: { in: '0s' } };
    await Promise.all(['dead-1', 'dead-2'].map((jobId) => create(jobId, failing)));
    await Promise.all(['dead-1', 'dead-2'].map((jobId) => untilOutcomes(jobId, 1)));
    const list = await api.ask('GET', '/api/dlq');
    assert.deepEqual(list.body.runs.map(({ jobId }: Json) => jobId).sort(), ['dead-1', 'dead-2']);
    const one = list.body.runs.find(({ jobId }: Json) => jobId === 'dead-1');
    const replayed = await api.ask('POST', '/api/dlq/replay', { body: { runIds: [one.runId] } });
    assert.equal(replayed.body.done, 1);
    await untilOutcomes('dead-1', 2);
    const replay = await api.ask('GET', `/api/runs/${replayed.body.replays[0].replay}`);
    assert.deepEqual([replay.body.replayOf, replay.body.status], [one.runId, 'FAILED']);
    const look = await api.ask('POST', '/api/dlq/discard', { body: { filter: {}, note: 'seen' } });
    assert.deepEqual([look.body.dryRun, look.body.matched], [true, 2]);
    const body = { filter: {}, dryRun: false, expected: 2 };
    assert.equal((await api.ask('POST', '/api/dlq/discard', { body })).body.done, 2);
    assert.deepEqual((await api.ask('GET', '/api/dlq')).body.runs, []);
    assert.equal((await api.ask('GET', '/api/dlq?resolved=true&limit=1')).body.runs.length, 1);
    const runs = await api.ask('GET', '/api/jobs/dead-1/runs?limit=1');
    assert.ok(runs.body.nextCursor);
    const rest = await api.ask('GET', `/api/jobs/dead-1/runs?cursor=${runs.body.nextCursor}`);
    assert.deepEqual([rest.body.runs.length, rest.body.nextCursor], [1, null]);
    const none = await api.ask('POST', '/api/dlq/replay', { body: {} });
    assert.equal(none.status, 400);
  });

  it('emits events, and runs occurrences that passed', async () => {
    await create('listens', greet({ on: 'user.signup' }));
    const emitted = await api.ask('POST', '/api/events/user.signup', {
      body: { eventId: 'e-1', payload: { plan: 'pro' } },
    });
    assert.deepEqual(emitted.body, { eventId: 'e-1', event: 'user.signup', outcome: 'applied', matched: 1 });
    await untilOutcomes('listens', 1);
    await create('passed', greet({ every: '1h', startAt: '2026-01-01T00:00:00Z' }));
    const body = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T02:00:00Z', dryRun: true };
    const passed = await api.ask('POST', '/api/jobs/passed/backfill', { body });
    assert.deepEqual(passed.body.occurrences, ['2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z']);
  });

  it('previews schedules and tells how it goes', async () => {
    const schedule = { cron: '30 2 * * *', timezone: 'Europe/Paris' };
    const { body } = await api.ask('POST', '/api/preview', {
      body: { schedule, from: '2027-03-27T00:00:00Z', count: 2 },
    });
    assert.deepEqual(
      body.occurrences.map(({ local, dst }: Json) => [local, dst]),
      [
        ['2027-03-27T02:30:00.000+01:00', null],
        ['2027-03-28T03:30:00.000+02:00', 'gap'],
      ],
    );
    await create('previewed', greet(LATER));
    assert.equal((await api.ask('GET', '/api/jobs/previewed/occurrences?limit=3')).body.occurrences.length, 3);
    // What they answer is asked for in why, audit and history.test.ts.
    for (const path of ['jobs/previewed/why', 'audit', 'system-jobs']) await api.ask('GET', `/api/${path}`);
    const figures = await api.ask('GET', '/api/statistics?window=10m');
    assert.ok(figures.body.runs > 0 && figures.body.byStatus.FAILED >= 3);
    assert.equal(figures.body.failing[0].jobId, 'dead-1');
  });

  it('streams outcomes, and goes on behind the last one that was seen', async () => {
    const open = async (lastEventId?: string) => {
      const ended = new AbortController();
      const response = await fetch(`${api.url}/api/events/stream?jobId=streamed`, {
        headers: { authorization: `Bearer ${key}`, ...(lastEventId && { 'last-event-id': lastEventId }) },
        signal: ended.signal,
      });
      assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
      const events = eventsOf(response);
      return { next: async () => (await events.next()).value as { id: string; data: Json }, end: () => ended.abort() };
    };
    await create('streamed', greet(LATER));
    const first = await open();
    await api.ask('POST', '/api/jobs/streamed/trigger', { headers: { 'idempotency-key': 't1' } });
    const one = await first.next();
    assert.deepEqual([one.data.jobId, one.data.cause, one.data.status], ['streamed', 't1', 'COMPLETED']);
    first.end();
    await api.ask('POST', '/api/jobs/streamed/trigger', { headers: { 'idempotency-key': 't2' } });
    await untilOutcomes('streamed', 2);
    const second = await open(one.id);
    const two = await second.next();
    assert.equal(two.data.cause, 't2', 'what came in between is there');
    second.end();
    // Another process knows nothing of this stream: it reads the topic from that position.
    const other = await belfry.api();
    const third = await fetch(`http://127.0.0.1:${await other.port}/api/events/stream?jobId=streamed`, {
      headers: { authorization: `Bearer ${key}`, 'last-event-id': one.id },
    });
    const { value } = await eventsOf(third).next();
    assert.equal((value as { data: Json }).data.cause, 't2');
    await other.kill();
    assert.equal((await api.ask('GET', '/api/events/stream', { headers: { 'last-event-id': '?' } })).status, 400);
  });

  it('takes commands as they stand on job.commands, many at once, and shows what timers refused', async () => {
    const schedule = { type: 'schedule', commandId: 'b1', jobId: 'commanded', ifExists: 'reject', job: greet(LATER) };
    const commands = [schedule, { type: 'pause', commandId: 'b2', jobId: 'nobody' }, { type: 'nonsense' }];
    const { status, body } = await api.ask('POST', '/api/commands', { body: { commands, wait: '10s' } });
    const told = body.results.map(({ outcome, error }: Json) => [outcome, error?.code]);
    const expected = [
      ['applied', undefined],
      ['rejected', 'unknown_job'],
      ['rejected', 'invalid'],
    ];
    assert.deepEqual([status, told], [200, expected]);
    const again = await api.ask('POST', '/api/commands', { body: { commands: [schedule] } });
    assert.equal(again.body.results[0].outcome, 'duplicate');
    const { body: page } = await api.ask('GET', '/api/rejected?limit=1');
    const [refused] = page.rejected as Json[];
    assert.deepEqual([refused.key, refused.error.code], ['default/nobody', 'unknown_job']);
    assert.equal((await api.ask('GET', `/api/rejected/${refused.place}`)).body.value, refused.value);
    const acme = await belfry.key(['read'], 'acme');
    assert.equal((await api.ask('GET', `/api/rejected/${refused.place}`, { key: acme })).status, 404);
    assert.deepEqual((await api.ask('GET', '/api/me', { key: acme })).body, { tenant: 'acme', scopes: ['read'] });
  });

  it('keeps tenants apart: what is not theirs is not there', async () => {
    await create('private', greet(LATER));
    const runs = await api.ask('GET', '/api/runs?limit=1');
    const acme = await belfry.key(['read', 'write', 'run', 'admin'], 'acme');
    const asked: [string, string, unknown?][] = [
      ['GET', '/api/jobs/private'],
      ['DELETE', '/api/jobs/private'],
      ['POST', '/api/jobs/private/trigger'],
      ['GET', '/api/jobs/private/runs'],
      ['GET', '/api/jobs/private/occurrences'],
      ['GET', `/api/runs/${runs.body.runs[0].runId}`],
      ['POST', '/api/dlq/replay', { runIds: [runs.body.runs[0].runId] }],
    ];
    for (const [method, path, body] of asked) {
      assert.equal((await api.ask(method, path, { key: acme, body })).status, 404, `${method} ${path}`);
    }
    assert.deepEqual((await api.ask('GET', '/api/jobs', { key: acme })).body.jobs, []);
    assert.deepEqual((await api.ask('GET', '/api/runs', { key: acme })).body.runs, []);
    const mine = await api.ask('POST', '/api/jobs', { key: acme, body: { jobId: 'private', ...greet(LATER) } });
    assert.deepEqual([mine.status, mine.body.tenant], [201, 'acme'], 'the same id is theirs to use');
    const told = await api.ask('POST', '/api/jobs', { key: acme, body: { tenant: 'default', ...greet(LATER) } });
    assert.equal(told.body.errors[0].pointer, '#/tenant');
    const keys = await api.ask('GET', '/api/keys', { key: acme });
    assert.deepEqual(new Set(keys.body.keys.map(({ tenant }: Json) => tenant)), new Set(['acme']));
  });

  it('keys: scopes, expiry, rotation, revocation', async () => {
    assert.equal((await api.ask('GET', '/api/jobs', { key: 'nonsense' })).status, 401);
    const made = await api.ask('POST', '/api/keys', { body: { name: 'reader', scopes: ['read'], expiresIn: '1h' } });
    assert.equal(made.status, 201);
    const reader = made.body.key as string;
    const wrong = reader.slice(0, -1) + (reader.endsWith('A') ? 'B' : 'A');
    const refused = await api.ask('GET', '/api/jobs', { key: wrong });
    assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Bearer realm="belfry"']);
    assert.equal((await api.ask('GET', '/api/jobs', { key: reader })).status, 200);
    for (const [method, path] of [
      ['POST', '/api/jobs'],
      ['POST', '/api/jobs/x/trigger'],
      ['GET', '/api/keys'],
    ] as const) {
      const answer = await api.ask(method, path, { key: reader, ...(method === 'POST' && { body: {} }) });
      assert.deepEqual([answer.status, answer.body.type], [403, 'urn:belfry:problem:forbidden']);
    }
    const rotated = await api.ask('POST', `/api/keys/${made.body.prefix}/rotate`, { body: { grace: '1m' } });
    assert.deepEqual([rotated.status, rotated.body.scopes], [201, ['read']]);
    assert.equal((await api.ask('GET', '/api/jobs', { key: reader })).status, 200, 'for the grace, both work');
    const revoked = await api.ask('DELETE', `/api/keys/${rotated.body.prefix}`);
    assert.ok(revoked.body.revokedAt);
    assert.equal((await api.ask('GET', '/api/jobs', { key: rotated.body.key })).status, 401);
    const expired = await belfry.key(['read'], 'default', 0);
    assert.equal((await api.ask('GET', '/api/jobs', { key: expired })).status, 401);
    const { body } = await api.ask('GET', '/api/keys');
    assert.ok(!JSON.stringify(body).includes(reader.slice(17)));
  });

  it('answers 202 when no timer is there in time; the command is durable', async () => {
    const [timer] = belfry.services.filter(({ name }) => name === 'timer');
    timer?.freeze();
    const { status, headers, body } = await api.ask('POST', '/api/jobs', {
      body: { jobId: 'patient', ...greet(LATER) },
    });
    timer?.thaw();
    assert.deepEqual([status, headers.get('location'), body.status], [202, '/api/jobs/patient', 'accepted']);
    await belfry.untilRow('it is applied later', `SELECT 1 FROM jobs WHERE job_id = 'patient'`);
  });

  it('keeps the quotas of tenants', async () => {
    const body = { jobs: 10, minInterval: '1m' };
    const set = await api.ask('PUT', '/api/tenants/initech', { body });
    assert.deepEqual([set.status, set.body.jobs, set.body.minInterval, set.body.queue], [200, 10, '1m', null]);
    const taken = await api.ask('PUT', '/api/tenants/initech', { body: { minInterval: '1m' } });
    assert.deepEqual([taken.body.jobs, taken.body.minInterval], [null, '1m']);
    assert.deepEqual((await api.ask('GET', '/api/tenants/initech')).body, taken.body);
    assert.deepEqual((await api.ask('GET', '/api/tenants')).body.tenants, [taken.body]);
    const wrong = await api.ask('PUT', '/api/tenants/initech', { body: { jobs: -1, colour: 'red' } });
    assert.equal(wrong.status, 400);
    assert.equal((await api.ask('DELETE', '/api/tenants/initech')).status, 200);
    assert.equal((await api.ask('GET', '/api/tenants/initech')).status, 404);
  });

  it('keeps webhooks', async () => {
    const hook = (method: string, path: string, body?: unknown) => api.ask(method, `/api/webhooks${path}`, { body });
    const { status, body } = await hook('POST', '', { id: 'hook', url: 'https://hook.example.com', disabled: true });
    assert.deepEqual([status, (await hook('GET', '')).body.webhooks[0].id], [201, 'hook']);
    const { body: replaced } = await hook('PUT', '/hook', { url: body.url, jobs: ['a'] });
    assert.deepEqual((await hook('GET', '/hook')).body, replaced);
    assert.notEqual((await hook('POST', '/hook/rotate', {})).body.secret, body.secret);
    assert.equal((await hook('POST', '/hook/test')).body.jobId, 'belfry.webhook.hook');
    assert.equal((await hook('DELETE', '/hook')).status, 200);
  });

  it('the document describes every route, and these tests have asked them all', () => {
    assert.match(api.document.openapi, /^3\.1\./);
    const all = Object.entries(api.document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.deepEqual(
      all.filter((operation) => !api.asked.has(operation)),
      [],
    );
  });

  it('shows its documents without help from elsewhere', async () => {
    const page = await fetch(`${api.url}/docs`);
    const html = await page.text();
    assert.equal(page.status, 200);
    assert.doesNotMatch(html, /(?:src|href)="(?:https?:)?\/\//);
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(api.url + path)).status, 200);
    assert.match(await service.metrics(), /belfry_api_request_duration_seconds_count\{[^}]*route="\/api\/jobs"/);
  });
});

async function* eventsOf(response: Response): AsyncGenerator<{ id: string; data: Json }> {
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += chunk;
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
      const [id, data] = [fields.get('id'), fields.get('data')];
      if (fields.get('event') === 'outcome' && id !== undefined && data !== undefined)
        yield { id, data: JSON.parse(data) };
    }
  }
}
