import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Metrics } from '../../../services/runtime/metrics.ts';
import { startOpsServer, type OpsServer, type Readiness } from '../../../services/runtime/ops-server.ts';

async function serve(t: TestContext, ready: () => Readiness = () => ({ ok: true, reasons: [] })): Promise<OpsServer> {
  const metrics = new Metrics('test');
  metrics.gauge('answer', 'What everybody asks for.', () => 42);
  const server = await startOpsServer({ port: 0, registry: metrics.registry, ready });
  t.after(() => server.close());
  return server;
}

const get = ({ port }: OpsServer, path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);

test('/healthz answers 200 as long as the process answers, ready or not', async (t) => {
  const server = await serve(t, () => ({ ok: false, reasons: ['waiting for Kafka'] }));
  const response = await get(server, '/healthz');
  assert.deepEqual([response.status, await response.text()], [200, 'ok\n']);
});

test('/readyz answers 200 or 503 with the reasons, as it stands when it is asked', async (t) => {
  let readiness: Readiness = { ok: false, reasons: ['waiting for Kafka'] };
  const server = await serve(t, () => readiness);
  const before = await get(server, '/readyz');
  assert.deepEqual([before.status, await before.json()], [503, readiness]);
  readiness = { ok: true, reasons: [] };
  const after = await get(server, '/readyz?verbose');
  assert.deepEqual([after.status, await after.json()], [200, readiness]);
});

test('/metrics are what Prometheus reads, each with its service', async (t) => {
  const response = await get(await serve(t), '/metrics');
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
  const text = await response.text();
  assert.match(text, /^belfry_answer\{service="test"\} 42$/m);
  assert.match(text, /^process_cpu_seconds_total/m);
});

test('any other path says which there are', async (t) => {
  const response = await get(await serve(t), '/');
  assert.equal(response.status, 404);
  assert.match(await response.text(), /\/healthz, \/readyz and \/metrics/);
});

test('a port that is taken is an error that says what to set', async (t) => {
  const { port } = await serve(t);
  await assert.rejects(
    startOpsServer({ port, registry: new Metrics('second').registry, ready: () => ({ ok: true, reasons: [] }) }),
    { code: 'port_taken', message: new RegExp(`Port ${port} is taken. Set PORT`) },
  );
});

test('closing ends open connections too', async (t) => {
  const server = await serve(t);
  const { status } = await get(server, '/healthz'); // kept alive by fetch
  assert.equal(status, 200);
  await server.close();
  await assert.rejects(get(server, '/healthz'));
});

test('a port of their own has nothing but these, and a port that is taken is named by its variable', async (t) => {
  const server = await serve(t);
  assert.equal((await get(server, '/api/jobs')).status, 404);
  const metrics = new Metrics('test');
  const options = { port: server.port, registry: metrics.registry, ready: () => ({ ok: true, reasons: [] }) };
  await assert.rejects(startOpsServer({ ...options, variable: 'BELFRY_OPS_PORT' }), /BELFRY_OPS_PORT/);
});

test('a connection that nobody uses stays open longer than the minute of balancers and clients', async (t) => {
  const response = await get(await serve(t), '/healthz');
  const seconds = Number(/timeout=(\d+)/.exec(response.headers.get('keep-alive') ?? '')?.[1]);
  assert.ok(seconds > 60, String(seconds));
});
