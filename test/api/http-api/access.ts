/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-argument --
   answers are held against the OpenAPI document, not against types */
/** Who may do what over HTTP: tenants, keys, quotas, webhooks. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Json } from '../../integration/support/http-api.ts';
import { greet, LATER, type ApiStage } from './stage.ts';

export function accessOverHttp(stage: ApiStage): void {
  const { ask, create, untilOutcomes } = stage;

  it('keeps tenants apart: what is not theirs is not there', async () => {
    await create('private', greet(LATER));
    await ask('POST', '/api/jobs/private/trigger');
    await untilOutcomes('private', 1);
    const runs = await ask('GET', '/api/jobs/private/runs?limit=1');
    const acme = await stage.belfry.key(['read', 'write', 'run', 'admin'], 'acme');
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
      assert.equal((await ask(method, path, { key: acme, body })).status, 404, `${method} ${path}`);
    }
    assert.deepEqual((await ask('GET', '/api/jobs', { key: acme })).body.jobs, []);
    assert.deepEqual((await ask('GET', '/api/runs', { key: acme })).body.runs, []);
    const mine = await ask('POST', '/api/jobs', { key: acme, body: { jobId: 'private', ...greet(LATER) } });
    assert.deepEqual([mine.status, mine.body.tenant], [201, 'acme'], 'the same id is theirs to use');
    const told = await ask('POST', '/api/jobs', { key: acme, body: { tenant: 'default', ...greet(LATER) } });
    assert.equal(told.body.errors[0].pointer, '#/tenant');
    const keys = await ask('GET', '/api/keys', { key: acme });
    assert.deepEqual(new Set(keys.body.keys.map(({ tenant }: Json) => tenant)), new Set(['acme']));
  });

  it('keys: scopes, expiry, rotation, revocation', async () => {
    assert.equal((await ask('GET', '/api/jobs', { key: 'nonsense' })).status, 401);
    const made = await ask('POST', '/api/keys', { body: { name: 'reader', scopes: ['read'], expiresIn: '1h' } });
    assert.equal(made.status, 201);
    const reader = made.body.key as string;
    const wrong = reader.slice(0, -1) + (reader.endsWith('A') ? 'B' : 'A');
    const refused = await ask('GET', '/api/jobs', { key: wrong });
    assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Bearer realm="belfry"']);
    assert.equal((await ask('GET', '/api/jobs', { key: reader })).status, 200);
    for (const [method, path] of [
      ['POST', '/api/jobs'],
      ['POST', '/api/jobs/x/trigger'],
      ['GET', '/api/keys'],
    ] as const) {
      const answer = await ask(method, path, { key: reader, ...(method === 'POST' && { body: {} }) });
      assert.deepEqual([answer.status, answer.body.type], [403, 'urn:belfry:problem:forbidden']);
    }
    const rotated = await ask('POST', `/api/keys/${made.body.prefix}/rotate`, { body: { grace: '1m' } });
    assert.deepEqual([rotated.status, rotated.body.scopes], [201, ['read']]);
    assert.equal((await ask('GET', '/api/jobs', { key: reader })).status, 200, 'for the grace, both work');
    const revoked = await ask('DELETE', `/api/keys/${rotated.body.prefix}`);
    assert.ok(revoked.body.revokedAt);
    assert.equal((await ask('GET', '/api/jobs', { key: rotated.body.key })).status, 401);
    const expired = await stage.belfry.key(['read'], 'default', 0);
    assert.equal((await ask('GET', '/api/jobs', { key: expired })).status, 401);
    const { body } = await ask('GET', '/api/keys');
    assert.ok(!JSON.stringify(body).includes(reader.slice(17)));
  });

  it('answers 202 when no timer is there in time; the command is durable', async () => {
    const [timer] = stage.belfry.services.filter(({ name }) => name === 'timer');
    timer?.freeze();
    const { status, headers, body } = await ask('POST', '/api/jobs', {
      body: { jobId: 'patient', ...greet(LATER) },
    });
    timer?.thaw();
    assert.deepEqual([status, headers.get('location'), body.status], [202, '/api/jobs/patient', 'accepted']);
    await stage.belfry.untilRow('it is applied later', `SELECT 1 FROM jobs WHERE job_id = 'patient'`);
  });

  it('keeps the quotas of tenants', async () => {
    const body = { jobs: 10, minInterval: '1m' };
    const set = await ask('PUT', '/api/tenants/initech', { body });
    assert.deepEqual([set.status, set.body.jobs, set.body.minInterval, set.body.queue], [200, 10, '1m', null]);
    const taken = await ask('PUT', '/api/tenants/initech', { body: { minInterval: '1m' } });
    assert.deepEqual([taken.body.jobs, taken.body.minInterval], [null, '1m']);
    assert.deepEqual((await ask('GET', '/api/tenants/initech')).body, taken.body);
    assert.deepEqual((await ask('GET', '/api/tenants')).body.tenants, [taken.body]);
    const wrong = await ask('PUT', '/api/tenants/initech', { body: { jobs: -1, colour: 'red' } });
    assert.equal(wrong.status, 400);
    assert.equal((await ask('DELETE', '/api/tenants/initech')).status, 200);
    assert.equal((await ask('GET', '/api/tenants/initech')).status, 404);
  });

  it('keeps webhooks', async () => {
    const hook = (method: string, path: string, body?: unknown) => ask(method, `/api/webhooks${path}`, { body });
    const { status, body } = await hook('POST', '', { id: 'hook', url: 'https://hook.example.com', disabled: true });
    assert.deepEqual([status, (await hook('GET', '')).body.webhooks[0].id], [201, 'hook']);
    const { body: replaced } = await hook('PUT', '/hook', { url: body.url, jobs: ['a'] });
    assert.deepEqual((await hook('GET', '/hook')).body, replaced);
    assert.notEqual((await hook('POST', '/hook/rotate', {})).body.secret, body.secret);
    assert.equal((await hook('POST', '/hook/test')).body.jobId, 'belfry.webhook.hook');
    assert.equal((await hook('DELETE', '/hook')).status, 200);
  });
}
