/** The client over HTTP: what it means, answers and throws is what it does over Kafka. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { BelfryClient } from '../../../services/client/client.ts';
import { HttpTransport } from '../../../services/client/http/transport.ts';
import { Belfry } from '../../../services/client/main.ts';
import type { BelfryError } from '../../../services/core/errors.ts';
import type { Outcome, Rejection } from '../../../services/core/records.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG, outcome as outcomeOf } from '../cli/support.ts';
import { MemoryApi } from './memory-api.ts';

const JOB = { type: 'CUSTOM', handler: 'greet', schedule: { in: '5s' } } as const;
const RUN_ID = '019b7a5c-2800-8000-8000-000000000001';

describe('the client over HTTP', () => {
  let api: MemoryApi;
  let http: BelfryClient;
  let kafka: BelfryClient;

  beforeEach(async () => {
    api = await MemoryApi.start();
    [http, kafka] = [await api.overHttp(), api.overKafka()];
  });
  afterEach(() => api.close());

  /** The same over both, one after the other. */
  async function both<T>(work: (client: BelfryClient) => Promise<T>): Promise<[T, T]> {
    return [await work(kafka), await work(http)];
  }

  const thrown = (work: Promise<unknown>): Promise<BelfryError> =>
    work.then(
      () => assert.fail('it was not refused'),
      (error: BelfryError) => error,
    );

  it('sends every verb as it is sent over Kafka, and answers alike', async () => {
    const [overKafka, overHttp] = await both(async (client) => {
      const id = { commandId: 'mine' };
      const answers = [
        await client.schedule('a', JOB, { ...id, ifExists: 'keep' }),
        await client.schedule('a', JOB, { commandId: 'é"\u2028', ifVersion: 3 }),
        await client.cancel('a', { commandId: 'c'.repeat(128), tenant: 'default' }),
        await client.cancelRun('a', RUN_ID, { commandId: 'cr' }),
        await client.pause('a', { commandId: 'p' }),
        await client.resume('a', { commandId: 'r' }),
        await client.trigger('a', { commandId: 't', payload: null, overlap: 'allow' }),
        await client.replay('a', RUN_ID, { commandId: 'rp', force: true }),
        await client.backfill('a', { commandId: 'b', from: '2026-01-01T00:00:00Z', to: new Date(0), dryRun: true }),
      ];
      const emitted = await client.emit('user.signup', { n: [null] }, { eventId: 'e' });
      const commands = api.commands.splice(0).map(({ commandId, ...rest }) => ({
        ...rest,
        ...(rest.type !== 'emit' && { commandId }), // an emit has one of its own
      }));
      return { answers, emitted, commands };
    });
    assert.deepEqual(overHttp, overKafka);
    assert.equal(overHttp.commands.length, 10);
    assert.deepEqual(overHttp.commands[3], {
      type: 'cancel',
      tenant: 'default',
      jobId: 'a',
      runId: RUN_ID,
      ack: true,
      commandId: 'cr',
    });
    assert.deepEqual([overHttp.emitted.matched, overHttp.emitted.outcome], [2, 'applied']);
    assert.ok(overHttp.answers.every(({ nextFireAt, outcome }) => nextFireAt instanceof Date && outcome === 'applied'));
  });

  it('throws what is refused with the same code, field and message', async () => {
    const bad = { ...JOB, schedule: { in: 'soon' } } as const;
    const invalid = await thrown(http.schedule('a', bad));
    assert.deepEqual([invalid.code, invalid.field, invalid.retryable], ['invalid', 'job.schedule.in', false]);
    const error: Rejection = { code: 'conflict', message: 'there is a job a already' };
    api.answer = () => ({ outcome: 'rejected', error, job: null });
    const [overKafka, overHttp] = await both((client) =>
      thrown(client.schedule('a', JOB, { commandId: 'x', ifExists: 'reject' })),
    );
    const told = ({ name, code, message, field, retryable, ids }: BelfryError) => [
      name,
      code,
      message,
      field,
      retryable,
      ids,
    ];
    assert.deepEqual(told(overHttp), told(overKafka));
  });

  it('schedules many in a few requests, each with a result of its own', async () => {
    let requests = 0;
    api.onRequest = () => void (requests += 1);
    const jobs = Array.from({ length: 1_500 }, (_, n) => ({ jobId: n === 7 ? 'not valid!' : `job-${n}`, job: JOB }));
    const results = await http.scheduleMany(jobs);
    const refused = results.flatMap((result, n) =>
      result.status === 'rejected' ? [[n, (result.reason as BelfryError).code]] : [],
    );
    assert.deepEqual([results.length, refused], [1_500, [[7, 'invalid']]]);
    assert.ok(requests <= 10, `${requests} requests`);
  });

  it('has few requests of bounded size under way, however many commands are sent at once', async () => {
    let [underWay, most, largest] = [0, 0, 0];
    api.onRequest = ({ headers }, response) => {
      most = Math.max(most, (underWay += 1));
      largest = Math.max(largest, Number(headers['content-length']));
      response.once('close', () => (underWay -= 1));
    };
    const payload = 'x'.repeat(8_000);
    const sent = Array.from({ length: 1_000 }, (_, n) => http.schedule(`job-${n}`, { ...JOB, payload }));
    const outcomes = new Set((await Promise.all(sent)).map(({ outcome }) => outcome));
    assert.deepEqual([...outcomes], ['applied']);
    assert.ok(most <= 4 && largest < 1.5 * 1024 * 1024, `${most} requests at once, of up to ${largest} bytes`);
  });

  it('keeps the deadline of each command, also beside one that has more time', async () => {
    api.answer = ({ jobId }) => (jobId === 'patient' ? {} : null);
    let [release, held] = [(): void => undefined, 0];
    const way = new Promise<void>((resolve) => (release = resolve));
    api.onRequest = (_request, response) => {
      const end = response.end.bind(response) as (body: unknown) => typeof response;
      held += 1;
      response.end = ((body: unknown) => (void way.then(() => end(body)), response)) as typeof response.end;
    };
    const patient = http.pause('patient', { timeoutMs: 30_000 });
    const hasty = await thrown(http.pause('hasty', { timeoutMs: 200, commandId: 'h' }));
    assert.deepEqual([hasty.code, hasty.ids, held], ['api_unavailable', { commandId: 'h' }, 1]);
    assert.match(hasty.message, /within 200 ms.*may have been applied/);
    release();
    assert.equal((await patient).outcome, 'applied');
  });

  it('sends a command again whose answer was lost on the way, and it has one effect', async () => {
    let cuts = 2;
    api.onRequest = (_request, response) => {
      if (cuts-- > 0) response.end = () => response.destroy(); // after the API has done its work
    };
    const { outcome, jobId } = await http.pause('a', { commandId: 'once' });
    assert.deepEqual([outcome, jobId], ['duplicate', 'a'], 'it was applied before, as the answer says');
    assert.deepEqual(new Set(api.commands.map(({ commandId }) => commandId)), new Set(['once']));
    assert.equal(api.commands.length, 3);
  });

  it('says that no timer answered, and that the command is safe', async () => {
    api.answer = () => null;
    const error = await thrown(http.pause('a', { commandId: 'late', timeoutMs: 300 }));
    assert.deepEqual([error.code, error.retryable, error.ids], ['no_answer', true, { commandId: 'late' }]);
    assert.match(error.message, /may have been applied already.*safe/);
  });

  it('says which address does not answer, and what to look at', async () => {
    const elsewhere = new Belfry({ url: 'http://127.0.0.1:1', apiKey: 'bfy_x', log: NO_LOG });
    const error = await thrown(elsewhere.pause('a', { timeoutMs: 50 }));
    assert.deepEqual([error.code, error.retryable], ['api_unavailable', true]);
    assert.match(error.message, /127\.0\.0\.1:1.*belfry api/);
    assert.throws(() => new Belfry({ url: 'belfry.example.com' }), { code: 'config_invalid' });
  });

  it('takes the page of a proxy for no answer, and not for success', async () => {
    const proxy = createServer((_request, response) => response.writeHead(404).end('<html>nothing here</html>'));
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const error = await thrown(new Belfry({ url, log: NO_LOG }).pause('a', { timeoutMs: 1_000 }));
    assert.deepEqual([error.code, /404/.test(error.message)], ['api_unavailable', true]);
    proxy.close();
  });

  it('acts for the tenant of its key alone, within its scopes', async () => {
    const acme = await api.overHttp(['run'], 'acme');
    assert.equal((await acme.trigger('a')).tenant, 'acme');
    assert.equal((await thrown(acme.trigger('a', { tenant: 'other' }))).code, 'forbidden');
    assert.equal((await thrown(acme.cancel('a'))).code, 'forbidden');
    const reader = await api.overHttp(['read'], 'acme');
    assert.equal((await thrown(reader.trigger('a'))).code, 'forbidden');
    const nobody = new Belfry({ url: api.url, apiKey: 'bfy_000000000000_x', log: NO_LOG });
    assert.equal((await thrown(nobody.trigger('a'))).code, 'unauthorized');
    assert.deepEqual(
      api.commands.map(({ type, tenant }) => [type, tenant]),
      [['trigger', 'acme']],
    );
  });

  it('asks for the tenant of a command in a transaction, which the key does not name', async () => {
    const pg = { query: async () => undefined };
    assert.equal((await thrown(http.pause('a', { pg }))).field, 'tenant');
    assert.equal((await http.pause('a', { pg, tenant: 'acme' })).outcome, 'enqueued');
  });

  it('hears outcomes as over Kafka, those of its tenant', async () => {
    const [heard, full]: [string[], Outcome[]] = [[], []];
    const three = Promise.withResolvers<void>();
    const stop = await http.onOutcome(
      (outcome) => {
        heard.push(outcome.runId);
        if (heard.length === 2) throw new Error('a careless listener');
        if (heard.length === 3) three.resolve();
      },
      { statuses: ['FAILED', 'CANCELLED'], jobId: 'report' },
    );
    const completions = Promise.withResolvers<void>();
    await http.onCompleted((outcome) => {
      full.push(outcome);
      completions.resolve();
    });
    const failed = { status: 'FAILED', error: { code: 'timeout', message: 'late' } } as const;
    const completed = outcomeOf({ runId: 'completed', result: { a: [1] } });
    await api.tell(
      outcomeOf({ ...failed, runId: 'first' }),
      completed,
      outcomeOf({ ...failed, runId: 'another tenant', tenant: 'other' }),
      outcomeOf({ ...failed, runId: 'another job', jobId: 'other' }),
      outcomeOf({ ...failed, runId: 'second', status: 'CANCELLED' }),
      outcomeOf({ ...failed, runId: 'third', finishedAt: 1_767_268_800_123 }),
    );
    await Promise.all([three.promise, completions.promise]);
    assert.deepEqual(heard, ['first', 'second', 'third']);
    assert.deepEqual(full, [completed]);
    await stop();
  });

  it('misses no outcome while its connection is lost, before the first one either', async () => {
    const heard: string[] = [];
    let due = Promise.withResolvers<void>();
    let wanted = 1;
    await http.onOutcome(({ runId }) => {
      heard.push(runId);
      if (heard.length >= wanted) due.resolve();
    });
    api.cut();
    await api.tell(outcomeOf({ runId: 'while away' }));
    await due.promise;
    [due, wanted] = [Promise.withResolvers<void>(), 3];
    api.cut();
    await api.tell(outcomeOf({ runId: 'second' }), outcomeOf({ runId: 'third' }));
    await due.promise;
    assert.deepEqual(heard, ['while away', 'second', 'third']);
  });

  it('says in time that it cannot listen, where something takes the connection and never answers', async () => {
    const hole = createServer(() => undefined);
    await once(hole.listen(0, '127.0.0.1'), 'listening');
    const clock = new VirtualClock();
    const ids = { uuid: () => 'id', random: () => 0 };
    const url = `http://127.0.0.1:${(hole.address() as AddressInfo).port}`;
    const client = new BelfryClient({ transport: new HttpTransport({ url, clock, ids, log: NO_LOG }), ids });
    const began = clock.now();
    clock.start();
    const error = await thrown(client.onOutcome(() => undefined));
    assert.deepEqual([error.code, clock.now() - began <= 11_000], ['api_unavailable', true]);
    assert.match(error.message, /did not answer in time/);
    clock.stop();
    await client.close();
    hole.closeAllConnections();
    hole.close();
  });

  it('leaves no place taken by streams whose listeners go while they begin', async () => {
    const mostStreams = 200;
    const slow = await MemoryApi.start({}, 300);
    const authorization = `Bearer ${await slow.key(['read'])}`;
    const arrived = Promise.withResolvers<void>();
    let requests = 0;
    slow.onRequest = () => {
      if (++requests === mostStreams) setImmediate(arrived.resolve);
    };
    const lost = Array.from({ length: mostStreams }, () =>
      fetch(`${slow.url}/api/events/stream`, { headers: { authorization } }).then(
        (response) => response.body?.cancel(),
        () => undefined,
      ),
    );
    await arrived.promise;
    slow.cut();
    await Promise.all(lost);
    await (await slow.overHttp(['read'])).onOutcome(() => undefined);
    await slow.close();
  });

  it('rejects what still waits when it is closed', async () => {
    const asked = Promise.withResolvers<void>();
    api.answer = () => (asked.resolve(), null);
    const waiting = thrown(http.pause('a', { timeoutMs: 60_000 }));
    await asked.promise;
    await http.close();
    assert.deepEqual([(await waiting).code, (await waiting).retryable], ['closed', true]);
  });

  it('loads no library of Kafka or PostgreSQL', async () => {
    const main = new URL('../../../services/client/main.ts', import.meta.url);
    const script = `
      import { registerHooks } from 'node:module';
      const seen = [];
      registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) });
      const { Belfry } = await import(${JSON.stringify(main.href)});
      const belfry = new Belfry({ url: ${JSON.stringify(api.url)}, apiKey: ${JSON.stringify(await api.key(['admin']))} });
      await belfry.onOutcome(() => undefined);
      console.log((await belfry.pause('a')).outcome, seen.filter((url) => /kafkajs|confluent|[/]pg[/]|adapters[/](kafka|postgres)/.test(url)));
      await belfry.close();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20_000,
    });
    assert.equal(stdout, 'applied []\n');
  });
});
