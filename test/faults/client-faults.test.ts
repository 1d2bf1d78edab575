/**
 * The client while what it talks to is away: a real Kafka behind a proxy that can be cut, and an API that restarts. It has a
 * Kafka of its own, which tells those who come through the proxy to stay there.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startKafka, type EmbeddedKafka } from '../../infra/embedded/kafka.ts';
import { sharedTestStack } from '../../infra/embedded/testing.ts';
import { Belfry, type BelfryError } from '../../services/client/main.ts';
import { Proxy } from '../chaos/proxy.ts';
import { SILENT, TestDeployment } from '../integration/support/deployment.ts';
import { custom } from '../integration/support/jobs.ts';
import type { Service } from '../integration/support/service.ts';

const LATER = { in: '30d' };
/** What a command may take beyond its deadline on a busy machine, ms. */
const SLACK_MS = 1_500;

describe('the client, while Kafka or the API is away', { timeout: 240_000 }, () => {
  let folder: string;
  let kafka: EmbeddedKafka;
  let proxy: Proxy;
  let belfry: TestDeployment;
  const clients: Belfry[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'belfry-client-faults-'));
    proxy = await Proxy.open();
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, JAVA_HOME: process.env.JAVA_HOME };
    kafka = await startKafka({ dataDir: folder, env, doors: { PROXY: [proxy.port] } });
    proxy.targetPort = kafka.doors.get('PROXY')![0];
    const { databaseUrl } = sharedTestStack();
    belfry = await TestDeployment.create({ partitions: 3, servers: { kafkaBrokers: kafka.brokers, databaseUrl } });
    await Promise.all([belfry.timer(), belfry.executor()]);
  });
  afterEach(async () => {
    proxy.heal(true);
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  after(async () => {
    await belfry?.destroy();
    await kafka?.stop();
    await proxy?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const throughProxy = (): string => `127.0.0.1:${proxy.port}`;
  function overProxy(): Belfry {
    const client = new Belfry({
      ...{ brokers: [throughProxy()], topicPrefix: belfry.env.BELFRY_TOPIC_PREFIX!, log: SILENT },
    });
    clients.push(client);
    return client;
  }

  /** @returns what it throws @throws when that takes longer than it may */
  async function failsWithin(timeoutMs: number, work: (timeoutMs: number) => Promise<unknown>): Promise<BelfryError> {
    const began = performance.now();
    const error = await work(timeoutMs).then(
      () => assert.fail('it did not fail'),
      (thrown: BelfryError) => thrown,
    );
    const tookMs = performance.now() - began;
    assert.ok(tookMs < timeoutMs + SLACK_MS, `${error.code} after ${tookMs} ms instead of ${timeoutMs}`);
    assert.equal(error.retryable, true);
    return error;
  }

  it('Kafka is away at the first command: told in time, not sent, and the same client goes on when Kafka is back', async () => {
    proxy.cut();
    const client = overProxy();
    const send = (jobId: string) => (timeoutMs: number) => client.schedule(jobId, custom('noop', LATER), { timeoutMs });
    const errors = await Promise.all([failsWithin(1_000, send('first-a')), failsWithin(2_000, send('first-b'))]);
    for (const { code, message } of errors)
      assert.deepEqual([code, /was not sent/.test(message)], ['broker_unavailable', true], message);
    // As long as it takes until everything that opens has failed once, or opens.
    await failsWithin(12_000, send('first-c'));
    proxy.heal(true);
    assert.equal((await client.schedule('first-d', custom('noop', LATER), { timeoutMs: 20_000 })).outcome, 'applied');
    assert.deepEqual(await belfry.rows(`SELECT job_id FROM jobs WHERE job_id LIKE 'first-%'`), [{ job_id: 'first-d' }]);
  });

  it('Kafka goes away in the middle: what may have been applied is said so, and sent again it has one effect', async () => {
    const client = overProxy();
    await client.schedule('middle', custom('record', LATER));
    proxy.cut();
    const error = await failsWithin(1_000, (timeoutMs) => client.trigger('middle', { commandId: 'once', timeoutMs }));
    assert.deepEqual([error.code, error.ids.commandId], ['broker_unavailable', 'once']);
    assert.match(error.message, /may have been written, and may be applied.*same commandId is safe/);
    proxy.heal();
    const again = await client.trigger('middle', { commandId: 'once', timeoutMs: 20_000 });
    assert.ok(['applied', 'duplicate'].includes(again.outcome), again.outcome);
    await client.trigger('middle', { commandId: 'next', timeoutMs: 20_000 });
    await belfry.until('both runs', (outcomes) => outcomes.filter(({ jobId }) => jobId === 'middle').length >= 2);
    const runs = await belfry.rows(`SELECT count(*)::int AS n FROM run_history WHERE job_id = 'middle'`);
    assert.deepEqual(runs, [{ n: 2 }]);
  });

  for (const when of ['before the first command', 'after the first command'] as const) {
    it(`Kafka goes away ${when}, and the client is closed: the process ends by itself`, async () => {
      const script = `
        import { Belfry } from ${JSON.stringify(new URL('../../services/client/main.ts', import.meta.url).href)};
        const options = { brokers: [${JSON.stringify(throughProxy())}], topicPrefix: process.env.BELFRY_TOPIC_PREFIX };
        const silent = () => undefined;
        const log = { debug: silent, info: silent, warn: silent, error: silent, child: () => log };
        const belfry = new Belfry({ ...options, log });
        const job = { type: 'CUSTOM', handler: 'noop', schedule: { in: '30d' } };
        if (process.argv[1] === 'after the first command') await belfry.schedule('closing', job);
        await fetch(process.env.CUT);
        const waiting = belfry.pause('closing', { timeoutMs: 60_000 }).catch(({ code }) => code);
        await new Promise((resolve) => setTimeout(resolve, 300));
        await belfry.close();
        console.log(await waiting);`;
      const cutter = await cutOnRequest();
      const env = { ...belfry.env, CUT: cutter.url };
      const args = ['--input-type=module', '-e', script, when];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: 30_000 });
      assert.equal(stdout, 'closed\n');
      await cutter.close();
    });
  }

  it('an API whose Kafka is away says so within 2 s and on /readyz, and goes on by itself when Kafka is back', async () => {
    const key = await belfry.key(['admin']);
    const service = await belfry.api({ env: { KAFKA_BROKERS: throughProxy() }, isQuiet: true });
    const url = `http://127.0.0.1:${await service.port}`;
    const put = async (jobId: string): Promise<[status: number, type: string | null, tookMs: number]> => {
      const began = performance.now();
      const response = await fetch(`${url}/api/jobs/${jobId}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify(custom('noop', LATER)),
      });
      const { type = null } = (await response.json()) as { type?: string };
      return [response.status, type, performance.now() - began];
    };
    assert.equal((await put('over-api'))[0], 201);
    proxy.cut();
    for (const jobId of ['away-a', 'away-b']) {
      const [status, type, tookMs] = await put(jobId);
      assert.deepEqual([status, type], [503, 'urn:belfry:problem:broker_unavailable']);
      assert.ok(tookMs < 2_000 + SLACK_MS, `answered after ${tookMs} ms`);
    }
    const readiness = await untilReady(url, false);
    assert.match(readiness, /Kafka has not answered for \d+ s/);
    proxy.heal(true);
    await untilReady(url, true);
    assert.equal((await put('back'))[0], 201);
    await service.kill();
  });

  it('the API restarts under a client over HTTP: commands and outcomes go on, each command with one effect', async () => {
    const apiKey = await belfry.key(['admin']);
    let service: Service = await belfry.api();
    const port = String(await service.port);
    const client = new Belfry({ url: `http://127.0.0.1:${port}`, apiKey, log: SILENT });
    clients.push(client);
    const heard = new Set<string>();
    await client.onOutcome(({ jobId }) => void heard.add(jobId));
    await client.schedule('under-http', custom('record', LATER));
    const jobs = Array.from({ length: 200 }, (_, n) => ({
      jobId: `restart-${n}`,
      job: custom('noop', { in: '100ms' }),
    }));
    await service.kill('SIGKILL');
    const sent = client.scheduleMany(jobs.map((each) => ({ ...each, options: { timeoutMs: 30_000 } })));
    const triggered = client.trigger('under-http', { commandId: 'restart', timeoutMs: 30_000 });
    service = await belfry.api({ env: { PORT: port } });
    assert.deepEqual([...new Set((await sent).map(({ status }) => status))], ['fulfilled']);
    assert.ok(['applied', 'duplicate'].includes((await triggered).outcome));
    await belfry.until(
      'all runs',
      () =>
        [...belfry.distinct('COMPLETED').values()].filter(({ jobId }) => jobId.startsWith('restart-')).length >= 200,
    );
    const deadline = Date.now() + 10_000;
    while (heard.size < 201 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(heard.size, 201, 'every outcome is heard, those of the restart too');
    const runs = await belfry.rows(`SELECT count(*)::int AS n FROM run_history WHERE job_id = 'under-http'`);
    assert.deepEqual(runs, [{ n: 1 }]);
    await service.kill();
  });

  /** Cuts Kafka off when it is asked to. */
  async function cutOnRequest(): Promise<{ url: string; close(): Promise<void> }> {
    const server = createServer((_request, response) => {
      proxy.cut();
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}`,
      close: async () => {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  }

  /** @returns what /readyz says then */
  async function untilReady(url: string, wanted: boolean): Promise<string> {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const response = await fetch(`${url}/readyz`);
      const text = await response.text();
      if (response.ok === wanted) return text;
      if (Date.now() > deadline) throw new Error(`/readyz does not turn ${wanted ? 'ready' : 'unready'}: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});
