/** The API as HTTP: methods, preconditions, ids in headers, wrong keys. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { InspectedJob } from '../../../services/core/ports/inspect.ts';
import { networkOf } from '../../../services/api/network.ts';
import { dead, job } from '../cli/support.ts';
import { MemoryApi } from '../client/memory-api.ts';

const JOB = { type: 'CUSTOM', handler: 'greet', schedule: { in: '1h' } };
type Problem = { type: string; errors?: { header?: string }[] };

describe('the API at its edge', () => {
  let api: MemoryApi;
  let key: string;
  let stored: InspectedJob | undefined;

  beforeEach(async () => {
    stored = job({ jobId: 'a', version: 3 });
    api = await MemoryApi.start({ job: async () => stored, jobs: async () => [], runs: async () => [] });
    key = await api.key(['admin']);
  });
  afterEach(() => api.close());

  function ask(method: string, path: string, headers: Record<string, string> = {}, body?: object): Promise<Response> {
    const content = body && { 'content-type': 'application/json' };
    return fetch(api.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...content, ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
  }

  it('answers HEAD of everything that has a GET, at once and without a body', async () => {
    const { paths } = (await (await ask('GET', '/openapi.json')).json()) as { paths: Record<string, object> };
    const reads = Object.entries(paths).flatMap(([path, operations]) => ('get' in operations ? [path] : []));
    assert.ok(reads.includes('/api/events/stream'));
    for (const path of reads) {
      const response = await ask('HEAD', path.replaceAll(/\{\w+\}/g, 'a'), {});
      assert.ok(response.status !== 405 && response.status < 600, path);
      assert.equal(await response.text(), '', path);
    }
  });

  it('gives no place to HEAD of the stream, however often it comes', async () => {
    for (let n = 0; n < 205; n += 1) {
      const response = await ask('HEAD', '/api/events/stream');
      assert.deepEqual(
        [response.status, response.headers.get('content-type')],
        [200, 'text/event-stream; charset=utf-8'],
      );
    }
    const leave = new AbortController();
    const { url } = api;
    const stream = await fetch(`${url}/api/events/stream`, {
      headers: { authorization: `Bearer ${key}` },
      signal: leave.signal,
    });
    assert.equal(stream.status, 200);
    leave.abort();
  });

  it('shares streams among tenants when all are taken, and gives all to one while nobody else asks', async () => {
    const leave = new AbortController();
    const open = async (bearer: string): Promise<Response> =>
      fetch(`${api.url}/api/events/stream`, { headers: { authorization: `Bearer ${bearer}` }, signal: leave.signal });
    const all = await Promise.all(Array.from({ length: 200 }, () => open(key)));
    assert.deepEqual(new Set(all.map(({ status }) => status)), new Set([200]));
    const beyond = await open(key);
    assert.deepEqual([beyond.status, beyond.headers.get('retry-after')], [503, '1']);
    const other = await api.key(['read'], 'other');
    assert.equal((await open(other)).status, 200);
    const ended = all.map(async ({ body }, index) => {
      for await (const _ of body!);
      return index;
    });
    assert.equal(typeof (await Promise.race(ended)), 'number', 'one of the first tenant came to its end');
    for (const each of ended) each.catch(() => undefined);
    leave.abort();
  });

  it('tells how long requests took, and nothing of streams, which last', async () => {
    const leave = new AbortController();
    const stream = await fetch(`${api.url}/api/events/stream`, {
      headers: { authorization: `Bearer ${key}` },
      signal: leave.signal,
    });
    leave.abort();
    await stream.text().catch(() => undefined);
    await ask('GET', '/api/me');
    await api.until(() => api.answered.includes('/api/me'));
    assert.deepEqual(api.answered, ['/api/me']);
  });

  it('settles many dead runs with two statements', async () => {
    const ids = Array.from({ length: 999 }, (_, n) => `019b7a5c-2800-8000-8000-${String(n).padStart(12, '0')}`);
    const asked: string[] = [];
    api.inspect.deadRuns = async ({ runIds = [] }) => (asked.push('deadRuns'), runIds.map((runId) => dead({ runId })));
    api.inspect.discard = async (runIds) => (asked.push('discard'), [...runIds]);
    const response = await ask('POST', '/api/dlq/discard', {}, { runIds: [...ids, ids[0]] });
    const { done, discarded } = (await response.json()) as { done: number; discarded: string[] };
    assert.deepEqual([response.status, done, discarded], [200, 999, ids]);
    assert.deepEqual(asked, ['deadRuns', 'discard']);
    api.inspect.deadRuns = async () => [];
    assert.equal((await ask('POST', '/api/dlq/replay', {}, { runIds: ids.slice(0, 1) })).status, 404);
  });

  it('says which methods an address takes', async () => {
    const expected: [string, string, string][] = [
      ['PATCH', '/api/jobs/a', 'DELETE, GET, HEAD, PUT'],
      ['DELETE', '/api/jobs?x=1', 'GET, HEAD, POST'],
      ['GET', '/api/events/user.signup', 'POST'],
    ];
    for (const [method, path, allow] of expected) {
      const response = await ask(method, path);
      assert.deepEqual([response.status, response.headers.get('allow')], [405, allow]);
      assert.equal(((await response.json()) as Problem).type, 'urn:belfry:problem:method_not_allowed');
    }
    assert.equal((await ask('GET', '/api/nothing')).status, 404);
  });

  async function put(headers: Record<string, string>): Promise<[number, string | undefined, unknown]> {
    const before = api.commands.length;
    const response = await ask('PUT', '/api/jobs/a', headers, JOB);
    const body = (await response.json()) as Problem;
    const sent = api.commands[before];
    return [response.status, body.errors?.[0]?.header, sent && (sent.ifVersion ?? sent.ifExists ?? null)];
  }

  it('keeps preconditions as RFC 9110 has them, and names the one that does not hold', async () => {
    api.answer = () => ({ job: { state: 'SCHEDULED', version: 4, nextFireAt: null } });
    const conflict = { outcome: 'rejected', error: { code: 'conflict', message: 'no' } } as const;
    assert.deepEqual(await put({ 'if-match': '"3"' }), [200, undefined, 3]);
    assert.deepEqual(await put({ 'if-match': '"2" ,"3", "abc"' }), [200, undefined, 3]);
    assert.deepEqual(await put({ 'if-match': '*' }), [200, undefined, 3]);
    assert.deepEqual(await put({ 'if-none-match': '"2", W/"4"' }), [200, undefined, 3]);
    assert.deepEqual(await put({ 'if-match': 'W/"3"' }), [412, 'If-Match', undefined]);
    assert.deepEqual(await put({ 'if-match': '"abc"' }), [412, 'If-Match', undefined]);
    assert.deepEqual(await put({ 'if-none-match': 'W/"3"' }), [412, 'If-None-Match', undefined]);
    assert.deepEqual(await put({ 'if-match': '"3"', 'if-none-match': '*' }), [412, 'If-None-Match', undefined]);
    assert.deepEqual(await put({ 'if-match': 'three' }), [400, 'If-Match', undefined]);
    assert.deepEqual(await put({ 'if-none-match': '"3' }), [400, 'If-None-Match', undefined]);
    api.answer = () => conflict;
    assert.deepEqual(await put({ 'if-match': '"4"' }), [412, 'If-Match', 4]);
    assert.deepEqual(await put({ 'if-none-match': '*' }), [412, 'If-None-Match', 'reject']);
    stored = undefined;
    assert.deepEqual(await put({ 'if-match': '*' }), [412, 'If-Match', undefined]);
    assert.deepEqual(await put({ 'if-none-match': '"3"' }), [412, 'If-None-Match', 'reject']);
  });

  it('answers the same creation twice with 201 and then 200', async () => {
    const create = () => ask('POST', '/api/jobs', { 'idempotency-key': 'once' }, { ...JOB, jobId: 'a' });
    const [first, second] = [await create(), await create()];
    assert.deepEqual([first.status, first.headers.get('belfry-outcome')], [201, 'applied']);
    assert.deepEqual([second.status, second.headers.get('belfry-outcome')], [200, 'duplicate']);
    assert.equal(first.headers.get('location'), '/api/jobs/a');
  });

  it('tells the cause of a run in Belfry-Command-Id, whatever the key was', async () => {
    for (const written of ['plain-1', 'with a space', '"quoted"', '" around "', 'caf\u00e9', `${'x'.repeat(120)}`]) {
      const response = await ask('POST', '/api/jobs/a/trigger', { 'idempotency-key': written }, {});
      assert.equal(response.status, 200, written);
      const told = response.headers.get('belfry-command-id');
      assert.equal(told, api.commands.at(-1)?.commandId, written);
      const found = await ask('GET', `/api/runs?cause=${encodeURIComponent(told)}`);
      assert.equal(found.status, 200);
    }
  });

  it('finds runs by any cause that a run can have', async () => {
    for (const length of [1, 128, 129, 300, 1_000])
      assert.equal((await ask('GET', `/api/runs?cause=${'e'.repeat(length)}`)).status, 200, String(length));
  });

  it('refuses a key that was sent with another request, whichever command that is', async () => {
    const again = { 'idempotency-key': 'k' };
    const first = () => ask('PUT', '/api/jobs/a', again, JOB);
    assert.equal((await first()).status, 201);
    const others: [string, string, object?][] = [
      ['PUT', '/api/jobs/a', { ...JOB, handler: 'other' }],
      ['PUT', '/api/jobs/b', JOB],
      ['DELETE', '/api/jobs/a'],
      ['POST', '/api/jobs/a/trigger', {}],
      ['POST', '/api/events/user.signup', {}],
      ['POST', '/api/jobs/batch', { jobs: [JOB] }],
      ['POST', '/api/jobs/a/backfill', { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }],
    ];
    const sent = api.commands.length;
    for (const [method, path, body] of others) {
      const response = await ask(method, path, again, body);
      const { type, errors } = (await response.json()) as Problem;
      assert.deepEqual(
        [response.status, type, errors?.[0]?.header],
        [422, 'urn:belfry:problem:idempotency_key_reused', 'Idempotency-Key'],
        `${method} ${path}`,
      );
    }
    assert.equal(api.commands.length, sent);
    assert.equal((await first()).status, 200);
    key = await api.key(['admin'], 'other');
    assert.notEqual((await ask('DELETE', '/api/jobs/a', again)).status, 422, 'keys are a tenant’s own');
  });

  it('lets one of two requests with one key win when they come at once', async () => {
    const both = ['a', 'b'].map((id) => ask('PUT', `/api/jobs/${id}`, { 'idempotency-key': 'race' }, JOB));
    const statuses = (await Promise.all(both)).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [201, 422]);
  });

  it('takes no key for a request that is not valid', async () => {
    const once = { 'idempotency-key': 'fix' };
    assert.equal((await ask('PUT', '/api/jobs/a', once, { type: 'CUSTOM' })).status, 400);
    assert.equal((await ask('PUT', '/api/jobs/a', once, JOB)).status, 201);
  });

  it('lets a valid key in however many wrong ones come from its address, which are slowed down', async () => {
    const wrong = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A');
    const statuses: number[] = [];
    for (let n = 0; n < 70; n += 1)
      statuses.push((await ask('GET', '/api/me', { authorization: `Bearer ${wrong}` })).status);
    assert.deepEqual(new Set(statuses.slice(0, 60)), new Set([401]));
    assert.deepEqual(new Set(statuses.slice(60)), new Set([429]));
    assert.equal((await ask('GET', '/api/me')).status, 200);
    for (let n = 0; n < 70; n += 1) assert.equal((await ask('GET', '/api/me')).status, 200, 'success does not count');
  });
});

void it('counts an IPv4 address by itself, and of IPv6 the network that one subscriber has', () => {
  assert.equal(networkOf('10.0.0.1'), '10.0.0.1');
  assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:0db8:1:2::'), '2001:db8:1:2::/64');
  assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0::/64');
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
  assert.equal(networkOf('64:ff9b::192.0.2.1'), '64:ff9b:0:0::/64');
});
