/** What the HTTP API does at its edges: hostile requests, too many of them, its start and its stop. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { TestDeployment } from '../integration/support/deployment.ts';
import { HttpApi } from '../integration/support/http-api.ts';

/** The id that a job without one gets from the Idempotency-Key `last`. */
const JOB_OF_LAST = `job-${createHash('sha256').update('last').digest('hex').slice(0, 32)}`;

describe('hostile requests', { timeout: 180_000 }, () => {
  let belfry: TestDeployment;
  let url: string;
  let key: string;
  let document: HttpApi['document'];

  before(async () => {
    belfry = await TestDeployment.create();
    key = await belfry.key(['admin']);
    // With all that an API may be given: what it then lacks is no server's fault.
    const env = { BELFRY_API_RATE: '100000', BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') };
    const [service] = await Promise.all([belfry.api({ env }), belfry.timer()]);
    ({ url, document } = await HttpApi.at(await service.port, key));
  });
  after(() => belfry.destroy());

  it('no request whatever breaks it: everything bad is told as such', async () => {
    const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => ({ method: method.toUpperCase(), path })),
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.string({ maxLength: 300 }),
      fc.constantFrom('..', '%', '\u0000', "';--", '__proto__'),
    );
    const words = fc.constantFrom(
      'type',
      'handler',
      'payload',
      'schedule',
      'cron',
      'every',
      'jobs',
      'runIds',
      'filter',
      'labels',
      'retry',
      'action',
      'scopes',
      'name',
      'expected',
      'dryRun',
      'exclude',
      '__proto__',
      'constructor',
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('CUSTOM', '5m', '* * * * *', 'high', 'read'),
        text,
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(words, text), tie('value'), { maxKeys: 6 }),
      ),
    })).value;
    const request = fc.record({
      route: fc.constantFrom(...routes.filter(({ path }) => path !== '/api/events/stream')),
      params: fc.array(text, { minLength: 1, maxLength: 1 }),
      query: fc.dictionary(
        fc.oneof(
          fc.constantFrom('limit', 'cursor', 'sort', 'label', 'text', 'since', 'status', 'cause', 'window', 'from'),
          text,
        ),
        text,
        { maxKeys: 3 },
      ),
      body: fc.oneof(
        { weight: 4, arbitrary: value.map((each) => JSON.stringify(each)) },
        { weight: 1, arbitrary: text },
      ),
      type: fc.constantFrom('application/json', 'application/json', 'application/json', 'text/plain', 'x'),
      idempotencyKey: fc.option(fc.string({ minLength: 1, maxLength: 140 }), { freq: 10 }),
    });
    const check = fc.asyncProperty(request, async ({ route, params, query, body, type, idempotencyKey }) => {
      const path = route.path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent(params[0]!.toWellFormed()) || 'x');
      const search = new URLSearchParams(query).toString();
      const bodyless = route.method === 'GET' || route.method === 'DELETE';
      const response = await fetch(`${url}${path}?${search}`, {
        method: route.method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(!bodyless && { 'content-type': type }),
          ...(idempotencyKey !== null && {
            'idempotency-key': idempotencyKey.replaceAll(/[^\x20-\x7e]/g, 'x').trim() || 'x',
          }),
        },
        ...(!bodyless && { body }),
      });
      const answer = await response.text();
      assert.ok(response.status < 500, `${response.status} ${answer}`);
    });
    await fc.assert(check, { numRuns: 600, endOnFailure: false });
  });

  it('a key that asks too often is told when to come back, and others are not held up', async () => {
    const service = await belfry.api({ env: { BELFRY_API_RATE: '5' } });
    const ask = async (bearer: string) =>
      fetch(`http://127.0.0.1:${await service.port}/api/jobs`, { headers: { authorization: `Bearer ${bearer}` } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(key)));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length >= 10, String(refused.length));
    assert.equal(refused[0]?.headers.get('retry-after'), '1');
    assert.equal((await ask(await belfry.key(['read']))).status, 200);
    const guesses = await Promise.all(Array.from({ length: 80 }, () => ask('bfy_000000000000_nothing')));
    assert.deepEqual([guesses[0]?.status, guesses.at(-1)?.status], [401, 429], 'keys cannot be guessed for long');
  });
});

describe('the start and the stop of the HTTP API', { timeout: 60_000 }, () => {
  let belfry: TestDeployment;
  before(async () => {
    belfry = await TestDeployment.create();
  });
  after(() => belfry.destroy());

  it('without a key it does not start, and says what to do', async () => {
    const service = await belfry.api({ waitReady: false });
    await service.ended();
    assert.equal(service.child.exitCode, 2);
    assert.match(service.lines.join('\n'), /belfry keys create/);
  });

  it('stops without a word lost: what is under way is answered, streams end', async () => {
    const [timer, service] = await Promise.all([belfry.timer(), belfry.api({ env: { BELFRY_AUTH: 'off' } })]);
    const url = `http://127.0.0.1:${await service.port}/api`;
    const stream = await fetch(`${url}/events/stream`);
    timer.freeze();
    const job = { type: 'CUSTOM', handler: 'noop', schedule: { every: '1h' } };
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'last' };
    const answer = fetch(`${url}/jobs`, { method: 'POST', headers, body: JSON.stringify(job) });
    await belfry.firstRecord(belfry.topics.commands, `default/${JOB_OF_LAST}`);
    const exit = service.kill();
    assert.equal((await answer).status, 202);
    assert.match(await stream.text(), /^retry: /);
    assert.equal(await exit, 0);
    timer.thaw();
  });

  it('with BELFRY_AUTH=off it serves this machine, and no other web site', async () => {
    const env = { BELFRY_AUTH: 'off' };
    const service = await belfry.api({ env });
    const url = `http://127.0.0.1:${await service.port}/api/jobs`;
    assert.equal((await fetch(url)).status, 200);
    assert.equal((await fetch(url, { headers: { 'sec-fetch-site': 'cross-site' } })).status, 403);
    assert.equal((await fetch(url, { headers: { origin: 'https://evil.example' } })).status, 403);
    assert.equal((await fetch(url, { headers: { origin: 'null' } })).status, 403);
    assert.equal((await fetch(url, { headers: { origin: new URL(url).origin } })).status, 200);
    const elsewhere = await belfry.api({ env: { ...env, BELFRY_API_HOST: '0.0.0.0' }, waitReady: false });
    await elsewhere.ended();
    assert.match(elsewhere.lines.join('\n'), /loopback/);
  });
});
