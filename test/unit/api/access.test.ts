/** Every route that the OpenAPI document tells of, asked without a key, with each scope, and with the key of another tenant. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fastify from 'fastify';
import type { InspectedJob } from '../../../services/core/ports/inspect.ts';
import type { Inspect } from '../../../services/core/ports/inspect.ts';
import { SCOPES, type Scope } from '../../../services/core/ports/api-keys.ts';
import { addAuth } from '../../../services/api/auth.ts';
import type { Api, ApiDeps } from '../../../services/api/deps.ts';
import { detail, job, RUN_ID } from '../cli/support.ts';
import { MemoryApi } from '../client/memory-api.ts';

/** In everything that the tenant `default` has. */
const MARK = 'of-default-alone';
const JOB = { type: 'CUSTOM', handler: 'greet', schedule: { in: '1h' } };
const HOOK = { url: 'https://example.com/hook' };

/** What each operation takes; a new route with a body needs a line here. */
const BODIES: Readonly<Record<string, object>> = {
  createJob: { ...JOB, jobId: 'new' },
  putJob: JOB,
  pauseJob: {},
  resumeJob: {},
  triggerJob: {},
  executeJob: {},
  backfillJob: { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
  createJobs: { jobs: [{ ...JOB, jobId: 'new' }] },
  bulkJobs: { action: 'pause', filter: {} },
  sendCommands: { commands: [{ type: 'pause', commandId: 'c', jobId: 'mine' }], wait: '100ms' },
  preview: { schedule: { cron: '0 9 * * *' } },
  replayDead: { runIds: [RUN_ID] },
  cancelRun: { jobId: 'mine' },
  discardDead: { runIds: [RUN_ID] },
  emitEvent: {},
  setTenant: {},
  createWebhook: HOOK,
  replaceWebhook: HOOK,
  rotateWebhook: {},
  createKey: { name: 'k', scopes: ['read'] },
  rotateKey: {},
};

type Operation = { operationId: string; security?: { key: Scope[] }[]; requestBody?: object };
type Asked = { method: string; path: string; operation: Operation };

const TENANTS_THINGS: Partial<Inspect> = {
  job: async (tenant) => (tenant === 'default' ? mine() : undefined),
  jobs: async ({ tenant }) => (tenant === 'default' ? [mine()] : []),
  run: async () => detail({ tenant: 'default', jobId: MARK, status: 'FAILED' }),
  runs: async ({ tenant }) => (tenant === 'default' ? [detail({ jobId: MARK })] : []),
  deadRuns: async () => [],
  discard: async () => assert.fail('runs of another tenant were discarded'),
  occurred: async () => [],
  skippedGroup: async () => undefined,
  circumstances: async () => undefined,
  awaitedJobs: async () => undefined,
  statistics: async (tenant) => ({
    ...{ runs: 0, limited: false, byStatus: {}, failing: tenant === 'default' ? [failing()] : [] },
    ...{ lateness: NONE, duration: NONE },
  }),
  systemJobs: async () => [],
};
const NONE = { p50: null, p95: null, p99: null };
const failing = () => ({ jobId: MARK, failed: 1, lastError: MARK });
const mine = (): InspectedJob => job({ jobId: 'mine', spec: { ...job().spec, handler: MARK } });

describe('access to the API', () => {
  let api: MemoryApi;
  let all: Asked[];

  before(async () => {
    api = await MemoryApi.start(TENANTS_THINGS);
    const { paths } = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    all = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
    );
  });
  after(() => api.close());

  const pathOf = (path: string): string =>
    path
      .replace('/runs/{id}', `/runs/${RUN_ID}`)
      .replace('{id}', 'mine')
      .replace('{name}', 'user.signup')
      .replace('{place}', '0-1')
      .replace('{tenant}', 'initech')
      .replace('{prefix}', '0123456789ab');

  async function ask({ method, path, operation }: Asked, key?: string): Promise<{ status: number; text: string }> {
    const leave = new AbortController();
    const body = BODIES[operation.operationId];
    assert.ok(body !== undefined || operation.requestBody === undefined, `${operation.operationId} needs a body here`);
    const response = await fetch(api.url + pathOf(path), {
      method,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      signal: leave.signal,
      ...(body && { body: JSON.stringify(body) }),
    });
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const text = isStream ? '' : await response.text();
    leave.abort();
    return { status: response.status, text };
  }

  it('needs a key for every route', async () => {
    assert.ok(all.length > 40);
    for (const asked of all) {
      assert.ok((asked.operation.security ?? []).length > 0, `${asked.operation.operationId} is open`);
      assert.equal((await ask(asked)).status, 401, asked.operation.operationId);
    }
  });

  it('permits a scope what the document says, and nothing else', async () => {
    for (const scope of SCOPES) {
      const key = await api.key([scope]);
      for (const asked of all) {
        const { operationId, security = [] } = asked.operation;
        const permitted = scope === 'admin' || security.some((each) => each.key.includes(scope));
        const { status } = await ask(asked, key);
        assert.equal(status !== 403, permitted, `${operationId} with ${scope}: ${status}`);
        assert.notEqual(status, 401, operationId);
        assert.notEqual(status, 400, `${operationId} was not even understood`);
      }
    }
  });

  it('shows a key of another tenant nothing, and changes nothing for it', async () => {
    const key = await api.key(['admin'], 'other');
    const sent = api.commands.length;
    for (const asked of all) {
      const { status, text } = await ask(asked, key);
      assert.ok(!text.includes(MARK), `${asked.operation.operationId}: ${text}`);
      assert.ok(status < 500 || status === 503, `${asked.operation.operationId}: ${status} ${text}`);
    }
    assert.ok(api.commands.length > sent);
    assert.deepEqual(new Set(api.commands.slice(sent).map(({ tenant }) => tenant)), new Set(['other']));
  });

  it('does not start with a route that does not say who may use it', async (t) => {
    const server = fastify() as unknown as Api;
    t.after(() => server.close());
    await addAuth(server, { keys: null, requestsPerSecond: 1 } as ApiDeps);
    server.get('/closed', { config: { scope: 'read' } }, () => '');
    assert.throws(() => server.get('/forgotten', () => ''), /GET \/forgotten does not say who may use it/);
  });
});
