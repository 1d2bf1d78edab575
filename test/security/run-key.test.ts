/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access -- answers of every shape */
/** A key that may run jobs must not change where they send what, and with which secrets. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { HttpApi } from '../integration/support/http-api.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { folderWith } from '../unit/handlers/support.ts';
import { NO_RETRY } from '../integration/support/jobs.ts';

const SECRET = 's3cr3t-billing-token';
type Got = { path: string; authorization: string | undefined; body: string };

describe('a key with the scope run', { timeout: 120_000 }, () => {
  let belfry: TestDeployment;
  let server: Server;
  let api: HttpApi;
  let [run, write] = ['', ''];
  let secrets: Awaited<ReturnType<typeof folderWith>>;
  const got: Got[] = [];
  const url = (path: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;

  before(async () => {
    server = createServer((request: IncomingMessage, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        got.push({ path: request.url ?? '', authorization: request.headers.authorization, body });
        response.end('ok');
      });
    }).listen(0, '127.0.0.1');
    belfry = await TestDeployment.create();
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    secrets = await folderWith({
      'default/billing': JSON.stringify({ value: SECRET, hosts: [host] }),
      'default/elsewhere': JSON.stringify({ value: SECRET, hosts: ['api.example.com'] }),
    });
    [run, write] = await Promise.all([belfry.key(['run', 'read']), belfry.key(['write', 'run', 'read'])]);
    const [service] = await Promise.all([
      belfry.api(),
      belfry.timer(),
      belfry.executor({ env: { BELFRY_SECRETS_DIR: secrets.path } }),
    ]);
    api = await HttpApi.at(await service.port, write);
  });
  after(async () => {
    await belfry.destroy();
    await secrets[Symbol.asyncDispose]();
    server.close();
  });

  const job = (path: string, secret: string): object => ({
    ...{ type: 'HTTP_REQUEST', schedule: { at: '2090-01-01T00:00:00Z' }, retry: NO_RETRY },
    payload: { method: 'POST', url: url(path), headers: { authorization: { secret } }, body: 'of the job' },
  });

  it('brings the body of a request, and nothing else', async () => {
    assert.equal((await api.ask('PUT', '/api/jobs/bill', { body: job('/bill', 'billing') })).status, 201);
    const stolen = { method: 'POST', url: url('/stolen'), headers: { authorization: { secret: 'billing' } } };
    for (const payload of [stolen, { body: 1, url: url('/stolen') }, { headers: {} }, null]) {
      for (const action of ['trigger', 'execute']) {
        const answer = await api.ask('POST', `/api/jobs/bill/${action}`, { key: run, body: { payload } });
        assert.equal(answer.status, 403, JSON.stringify(payload));
        assert.equal(answer.body.type, 'urn:belfry:problem:not_permitted');
      }
      const commands = [{ type: 'trigger', commandId: crypto.randomUUID(), jobId: 'bill', payload }];
      const { body } = await api.ask('POST', '/api/commands', { key: run, body: { commands } });
      assert.equal(body.results[0].error.code, 'not_permitted');
    }
    const { status } = await api.ask('POST', '/api/jobs/bill/trigger', {
      key: run,
      body: { payload: { body: 'mine' } },
    });
    assert.equal(status, 200);
    await belfry.untilRuns(1, 'COMPLETED');
    assert.deepEqual(got, [{ path: '/bill', authorization: SECRET, body: 'mine' }]);
  });

  it('a secret that is bound to another host is not sent, whatever key asks', async () => {
    const seen = got.length;
    assert.equal((await api.ask('PUT', '/api/jobs/leak', { body: job('/leak', 'elsewhere') })).status, 201);
    await api.ask('POST', '/api/jobs/leak/trigger', { key: write, body: {} });
    await belfry.untilRuns(1, 'FAILED');
    const [outcome] = belfry.distinct('FAILED').values();
    assert.equal(outcome?.error?.code, 'secret_denied');
    assert.equal(got.length, seen);
  });
});
