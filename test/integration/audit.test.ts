/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return --
   answers are held against the OpenAPI document, not against types */
/** Who changed what: through real Kafka, PostgreSQL, HTTP and the command line. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestDeployment } from './support/deployment.ts';
import { HttpApi, type Json } from './support/http-api.ts';
import { custom, NO_RETRY, NOW } from './support/jobs.ts';

const main = join(import.meta.dirname, '../../services/cli/main.ts');
const DAILY = { type: 'CUSTOM', handler: 'noop', schedule: { every: '1d' } };

describe('the audit log', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  let api: HttpApi;
  let key: string;

  before(async () => {
    const env = { BELFRY_WEBHOOK_KEY: Buffer.alloc(32).toString('base64') };
    belfry = await TestDeployment.create({ partitions: 3, env });
    key = await belfry.key(['admin']);
    const [service] = await Promise.all([belfry.api(), belfry.timer(), belfry.executor()]);
    api = await HttpApi.at(await service.port, key);
  });
  after(() => belfry.destroy());

  const prefix = () => key.split('_')[1];
  const entries = async (query: string, by = api): Promise<Json[]> => {
    const { status, body } = await by.ask('GET', `/api/audit?${query}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body.entries;
  };
  const cli = (env: Record<string, string>, ...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(stderr)),
      );
    });

  it('tells which key made, changed and steered a job, field by field, without the payload', async () => {
    const body = { jobId: 'daily', ...DAILY, payload: { token: 's3cret' } };
    assert.equal((await api.ask('POST', '/api/jobs', { body })).status, 201);
    await api.ask('PUT', '/api/jobs/daily', { body: { ...DAILY, payload: { token: 'other' }, priority: 'high' } });
    await api.ask('POST', '/api/jobs/daily/pause');
    const told = await entries('job=daily');
    assert.deepEqual(
      told.map(({ action, actor, version }) => [action, actor.kind, actor.id, actor.name, version]),
      [
        ['pause', 'key', prefix(), 'test', 2],
        ['schedule', 'key', prefix(), 'test', 2],
        ['schedule', 'key', prefix(), 'test', 1],
      ],
    );
    assert.deepEqual(told[0].changes, [{ field: 'state', from: 'SCHEDULED', to: 'PAUSED' }]);
    assert.deepEqual(told[1].changes.map(({ field }: Json) => field).sort(), [
      'payload.bytes',
      'payload.sha256',
      'priority',
    ]);
    assert.ok(!JSON.stringify(told).includes('s3cret'));
  });

  it('tells of commands that come over Kafka, and of those that were enqueued in a transaction', async () => {
    await belfry.client.schedule('plain', custom('noop', { every: '1d' }));
    await belfry.client.pause('plain');
    await belfry.rows('SELECT enqueue($1)', [{ type: 'resume', jobId: 'plain' }]);
    await belfry.untilRow('it is resumed', `SELECT FROM jobs WHERE job_id = 'plain' AND state = 'SCHEDULED'`);
    assert.deepEqual(
      (await entries('job=plain')).map(({ action, actor }) => [action, actor.kind]),
      [
        ['resume', 'sql'],
        ['pause', 'kafka'],
      ],
    );
  });

  it('tells of triggers, of replays and of dead runs that were discarded', async () => {
    await belfry.client.schedule('dead', custom('fails', NOW, { retry: NO_RETRY }));
    const died = (count: number) =>
      belfry.until(
        `${count} died`,
        (all) => all.filter(({ jobId, status }) => jobId === 'dead' && status === 'FAILED').length >= count,
      );
    await died(1);
    const [first] = [...belfry.distinct('FAILED').keys()];
    await api.ask('POST', '/api/dlq/replay', { body: { runIds: [first] } });
    await died(2);
    await api.ask('POST', '/api/jobs/dead/trigger', { body: { payload: { secret: 1 } } });
    await died(3);
    await api.ask('POST', '/api/dlq/discard', { body: { runIds: [first], note: 'enough' } });
    const told = await entries('job=dead');
    assert.deepEqual(
      told.map(({ action, actor, changes }) => [action, actor.name, changes.map(({ field }: Json) => field).join()]),
      [
        ['discard', 'test', 'runId,note'],
        ['trigger', 'test', 'payload'],
        ['replay', 'test', 'runId'],
      ],
    );
  });

  it('tells of quotas, keys and webhooks, and never a secret', async () => {
    await api.ask('PUT', '/api/tenants/acme', { body: { jobs: 10 } });
    const made = await api.ask('POST', '/api/keys', { body: { name: 'ci', scopes: ['read'] } });
    const rotated = await api.ask('POST', `/api/keys/${made.body.prefix}/rotate`, { body: { grace: '0s' } });
    await api.ask('DELETE', `/api/keys/${rotated.body.prefix}`);
    const webhook = await api.ask('POST', '/api/webhooks', { body: { url: 'https://example.com/hook' } });
    const told = await entries('limit=4');
    assert.deepEqual(
      told.map(({ action }) => action),
      ['webhook.create', 'key.revoke', 'key.rotate', 'key.create'],
    );
    const secrets = [made.body.key, rotated.body.key, webhook.body.secret];
    assert.ok(!secrets.some((secret) => JSON.stringify(told).includes(secret)));
    const ofAcme = await HttpApi.at(Number(new URL(api.url).port), await belfry.key(['read'], 'acme'));
    const acme = await entries('', ofAcme);
    assert.deepEqual(
      acme.map(({ action, actor }) => [action, actor.id]),
      [['tenant.set', prefix()]],
    );
  });

  it('is narrowed by actor, action and time, and read page by page', async () => {
    assert.equal((await entries(`actor=${prefix()}&action=pause`)).length, 1);
    assert.equal((await entries('actor=kafka')).length, 1);
    assert.deepEqual(await entries('to=2026-01-01T00:00:00Z'), []);
    const all = await entries('limit=200');
    const paged: Json[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await api.ask('GET', `/api/audit?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      paged.push(...body.entries);
      cursor = body.nextCursor;
    }
    assert.deepEqual(paged, all);
    assert.equal((await api.ask('GET', '/api/audit?action=guess')).status, 400);
  });

  it('the command line tells the same over HTTP and beside the servers, and says who sits there', async () => {
    const overHttp = { PATH: process.env.PATH ?? '', BELFRY_API_URL: api.url, BELFRY_API_KEY: key };
    const beside = { ...belfry.env, USER: 'ada' };
    await cli(beside, 'jobs', 'cancel', 'plain');
    await cli(beside, 'tenants', 'set', 'acme', '--jobs', '20');
    const args = ['audit', '--tenant', 'default', '--limit', '100', '--json'];
    const [one, other] = await Promise.all([cli(overHttp, ...args), cli(beside, ...args)]);
    assert.equal(one, other);
    assert.match(
      await cli(overHttp, 'audit', '--job', 'plain', '--limit', '1'),
      /cancel +plain +cli ada@.* +state: "SCHEDULED" → "CANCELLED"/,
    );
    assert.match(
      await cli(beside, 'audit', '--tenant', 'acme', '--limit', '1'),
      /tenant\.set +acme +cli ada@.* +jobs: 10 → 20/,
    );
  });
});
