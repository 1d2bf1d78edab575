/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   answers are held against the OpenAPI document, not against types */
/** Runs over HTTP: those that failed, those of events, their outcomes as they come, and commands as they stand. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Json } from '../../integration/support/http-api.ts';
import { greet, LATER, type ApiStage } from './stage.ts';

export function runsOverHttp(stage: ApiStage): void {
  const { ask, create, untilOutcomes } = stage;

  /** A tenant of a test's own, where runs of these jobs have failed. */
  async function withFailed(tenant: string, jobIds: readonly string[]): Promise<ApiStage['ask']> {
    const key = await stage.belfry.key(['admin'], tenant);
    const own: ApiStage['ask'] = (method, path, asked = {}) => ask(method, path, { key, ...asked });
    const failing = { type: 'CUSTOM', handler: 'fails', retry: { maxRetries: 0 }, schedule: { in: '0s' } };
    await Promise.all(jobIds.map((jobId) => own('POST', '/api/jobs', { body: { jobId, ...failing } })));
    await Promise.all(jobIds.map((jobId) => untilOutcomes(jobId, 1)));
    return own;
  }

  it('lists dead runs, runs them again, and settles them', async () => {
    const own = await withFailed('dead', ['dead-1', 'dead-2']);
    const list = await own('GET', '/api/dlq');
    assert.deepEqual(list.body.runs.map(({ jobId }: Json) => jobId).sort(), ['dead-1', 'dead-2']);
    const one = list.body.runs.find(({ jobId }: Json) => jobId === 'dead-1');
    const replayed = await own('POST', '/api/dlq/replay', { body: { runIds: [one.runId] } });
    assert.equal(replayed.body.done, 1);
    await untilOutcomes('dead-1', 2);
    const replay = await own('GET', `/api/runs/${replayed.body.replays[0].replay}`);
    assert.deepEqual([replay.body.replayOf, replay.body.status], [one.runId, 'FAILED']);
    const look = await own('POST', '/api/dlq/discard', { body: { filter: {}, note: 'seen' } });
    assert.deepEqual([look.body.dryRun, look.body.matched], [true, 2]);
    const body = { filter: {}, dryRun: false, expected: 2 };
    assert.equal((await own('POST', '/api/dlq/discard', { body })).body.done, 2);
    assert.deepEqual((await own('GET', '/api/dlq')).body.runs, []);
    assert.equal((await own('GET', '/api/dlq?resolved=true&limit=1')).body.runs.length, 1);
    const runs = await own('GET', '/api/jobs/dead-1/runs?limit=1');
    assert.ok(runs.body.nextCursor);
    const rest = await own('GET', `/api/jobs/dead-1/runs?cursor=${runs.body.nextCursor}`);
    assert.deepEqual([rest.body.runs.length, rest.body.nextCursor], [1, null]);
    const none = await own('POST', '/api/dlq/replay', { body: {} });
    assert.equal(none.status, 400);
  });

  it('cancels one run: the others of its job and the job itself go on', async () => {
    const work = { type: 'CUSTOM', handler: 'wait', payload: { ms: 60_000 }, schedule: LATER };
    await create('busy', { ...work, overlap: 'buffer_all' });
    await create('failing-slowly', { ...work, handler: 'fails', retry: { initialDelay: '1h' } });
    const trigger = async (jobId: string): Promise<string> =>
      (await ask('POST', `/api/jobs/${jobId}/trigger`, { body: {} })).headers.get('belfry-command-id')!;
    const runOf = async (cause: string, status: string): Promise<Json> => {
      for (const end = Date.now() + 30_000; ;) {
        const [run] = (await ask('GET', `/api/runs?cause=${cause}`)).body.runs as Json[];
        if (run?.status === status) return run;
        assert.ok(Date.now() < end, `no run is ${status}`);
      }
    };
    const running = await runOf(await trigger('busy'), 'RUNNING');
    const next = await trigger('busy');
    const retrying = await runOf(await trigger('failing-slowly'), 'RETRYING');
    for (const { runId } of [running, retrying])
      assert.equal((await ask('POST', `/api/runs/${runId}/cancel`)).status, 200);
    await untilOutcomes('busy', 1);
    await untilOutcomes('failing-slowly', 1);
    for (const { runId } of [running, retrying]) {
      const { body } = await ask('GET', `/api/runs/${runId}`);
      assert.deepEqual([body.status, body.error.code], ['CANCELLED', 'cancelled']);
    }
    const waited = await runOf(next, 'RUNNING');
    const again = await ask('POST', `/api/runs/${running.runId}/cancel`, { body: {} });
    assert.deepEqual([again.status, again.headers.get('belfry-outcome')], [200, 'unchanged']);
    assert.equal((await ask('GET', '/api/jobs/busy')).body.state, 'SCHEDULED');
    const acme = await stage.belfry.key(['admin'], 'acme');
    assert.equal((await ask('POST', `/api/runs/${waited.runId}/cancel`, { key: acme })).status, 404);
    assert.equal((await ask('POST', `/api/runs/${waited.runId}/cancel`, { body: { jobId: 'busy' } })).status, 200);
    await untilOutcomes('busy', 2);
    await create('done', greet({ in: '0s' }));
    await untilOutcomes('done', 1);
    const [done] = (await ask('GET', '/api/jobs/done/runs')).body.runs as Json[];
    assert.equal((await ask('POST', `/api/runs/${done.runId}/cancel`)).status, 409);
    const nobody = '019b7a5c-2800-8000-8000-000000000001';
    assert.equal((await ask('POST', `/api/runs/${nobody}/cancel`)).status, 404);
    assert.equal((await ask('POST', `/api/runs/${nobody}/cancel`, { body: { jobId: 'busy' } })).status, 404);
  });

  it('emits events, and runs occurrences that passed', async () => {
    await create('listens', greet({ on: 'user.signup' }));
    const emitted = await ask('POST', '/api/events/user.signup', {
      body: { eventId: 'e-1', payload: { plan: 'pro' } },
    });
    assert.deepEqual(emitted.body, { eventId: 'e-1', event: 'user.signup', outcome: 'applied', matched: 1 });
    await untilOutcomes('listens', 1);
    await create('passed', greet({ every: '1h', startAt: '2026-01-01T00:00:00Z' }));
    const body = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T02:00:00Z', dryRun: true };
    const passed = await ask('POST', '/api/jobs/passed/backfill', { body });
    assert.deepEqual(passed.body.occurrences, ['2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000Z']);
  });

  it('previews schedules and tells how it goes', async () => {
    const schedule = { cron: '30 2 * * *', timezone: 'Europe/Paris' };
    const { body } = await ask('POST', '/api/preview', {
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
    assert.equal((await ask('GET', '/api/jobs/previewed/occurrences?limit=3')).body.occurrences.length, 3);
    // What they answer is asked for in why, audit and history.test.ts.
    for (const path of ['jobs/previewed/why', 'audit', 'system-jobs']) await ask('GET', `/api/${path}`);
    const own = await withFailed('counted', ['failed-1']);
    const figures = await own('GET', '/api/statistics?window=10m');
    assert.deepEqual([figures.body.runs, figures.body.byStatus.FAILED], [1, 1]);
    assert.equal(figures.body.failing[0].jobId, 'failed-1');
  });

  it('streams outcomes, and goes on behind the last one that was seen', async () => {
    const open = async (lastEventId?: string) => {
      const ended = new AbortController();
      const response = await fetch(`${stage.api.url}/api/events/stream?jobId=streamed`, {
        headers: { authorization: `Bearer ${stage.key}`, ...(lastEventId && { 'last-event-id': lastEventId }) },
        signal: ended.signal,
      });
      assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
      const events = eventsOf(response);
      return { next: async () => (await events.next()).value as { id: string; data: Json }, end: () => ended.abort() };
    };
    await create('streamed', greet(LATER));
    const first = await open();
    await ask('POST', '/api/jobs/streamed/trigger', { headers: { 'idempotency-key': 't1' } });
    const one = await first.next();
    assert.deepEqual([one.data.jobId, one.data.cause, one.data.status], ['streamed', 't1', 'COMPLETED']);
    first.end();
    await ask('POST', '/api/jobs/streamed/trigger', { headers: { 'idempotency-key': 't2' } });
    await untilOutcomes('streamed', 2);
    const second = await open(one.id);
    const two = await second.next();
    assert.equal(two.data.cause, 't2', 'what came in between is there');
    second.end();
    // Another process knows nothing of this stream: it reads the topic from that position.
    const other = await stage.belfry.api();
    const third = await fetch(`http://127.0.0.1:${await other.port}/api/events/stream?jobId=streamed`, {
      headers: { authorization: `Bearer ${stage.key}`, 'last-event-id': one.id },
    });
    const { value } = await eventsOf(third).next();
    assert.equal((value as { data: Json }).data.cause, 't2');
    await other.kill();
    assert.equal((await ask('GET', '/api/events/stream', { headers: { 'last-event-id': '?' } })).status, 400);
  });

  it('takes commands as they stand on job.commands, many at once, and shows what timers refused', async () => {
    const schedule = { type: 'schedule', commandId: 'b1', jobId: 'commanded', ifExists: 'reject', job: greet(LATER) };
    const commands = [schedule, { type: 'pause', commandId: 'b2', jobId: 'nobody' }, { type: 'nonsense' }];
    const { status, body } = await ask('POST', '/api/commands', { body: { commands, wait: '10s' } });
    const told = body.results.map(({ outcome, error }: Json) => [outcome, error?.code]);
    const expected = [
      ['applied', undefined],
      ['rejected', 'unknown_job'],
      ['rejected', 'invalid'],
    ];
    assert.deepEqual([status, told], [200, expected]);
    const again = await ask('POST', '/api/commands', { body: { commands: [schedule] } });
    assert.equal(again.body.results[0].outcome, 'duplicate');
    const { body: page } = await ask('GET', '/api/rejected?limit=1');
    const [refused] = page.rejected as Json[];
    assert.deepEqual([refused.key, refused.error.code], ['default/nobody', 'unknown_job']);
    assert.equal((await ask('GET', `/api/rejected/${refused.place}`)).body.value, refused.value);
    const acme = await stage.belfry.key(['read'], 'acme');
    assert.equal((await ask('GET', `/api/rejected/${refused.place}`, { key: acme })).status, 404);
    assert.deepEqual((await ask('GET', '/api/me', { key: acme })).body, { tenant: 'acme', scopes: ['read'] });
  });
}

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
