/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call -- answers of the API are held against its OpenAPI document, not against types */
/** Webhooks, through real Kafka, PostgreSQL and HTTP: what receivers get, whoever dies meanwhile. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { serve, type TestServer } from '../unit/handlers/http-server.ts';
import { TestDeployment } from '../integration/support/deployment.ts';
import { HttpApi, type Json } from '../integration/support/http-api.ts';
import { custom, inMs, NO_RETRY } from '../integration/support/jobs.ts';

/** A webhook hears of what ends so long after it was made. */
const HEARS_AFTER_MS = 3_000;
const FAULTY = new URL('../integration/support/faulty-timer.ts', import.meta.url).pathname;

type Delivery = { id: string; body: Json; headers: IncomingHttpHeaders; text: string };

describe('webhooks', { timeout: 240_000 }, () => {
  let belfry: TestDeployment;
  let api: HttpApi;
  let receiver: TestServer;
  let answer: (path: string, response: ServerResponse) => void;
  const key = randomBytes(32).toString('base64');

  before(async () => {
    belfry = await TestDeployment.create({ partitions: 4, env: { BELFRY_WEBHOOK_KEY: key } });
    receiver = await serve((request, response) => answer(request.url ?? '', response));
    const admin = await belfry.key(['admin']);
    const [service] = await Promise.all([belfry.api(), belfry.timer(), belfry.executor()]);
    api = await HttpApi.at(await service.port, admin);
  });
  after(async () => {
    await belfry.destroy();
    await receiver[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    answer = (_, response) => void response.writeHead(204).end();
  });

  /** What came at a path. */
  const arrived = (path: string): Delivery[] =>
    receiver.seen
      .filter((seen) => seen.path === path)
      .map(({ headers, body: text }) => ({
        ...{ id: String(headers['webhook-id']), body: JSON.parse(text), headers, text },
      }));
  /** Deliveries end as runs do: outcomes tell when to look again. */
  const untilArrived = (path: string, count: number, timeoutMs = 30_000) =>
    belfry.until(
      `${count} deliveries at ${path}`,
      () => new Set(arrived(path).map(({ id }) => id)).size >= count,
      timeoutMs,
    );
  const deliveriesOf = (id: string, status: string) =>
    belfry.outcomes.filter((outcome) => outcome.jobId === `belfry.webhook.${id}` && outcome.status === status);
  /** Registers, and waits as long as is promised: nothing tells when all timers have read it. */
  async function hook(id: string, more: object = {}): Promise<string> {
    const body = { id, url: `${receiver.url}/${id}`, ...more };
    const { status, body: made } = await api.ask('POST', '/api/webhooks', { body });
    assert.equal(status, 201, JSON.stringify(made));
    await new Promise((resolve) => setTimeout(resolve, HEARS_AFTER_MS));
    return made.secret as string;
  }
  const fail = (jobId: string, more: object = {}) =>
    belfry.client.schedule(jobId, custom('fails', inMs(0), { retry: NO_RETRY, ...more }));

  it('sends each outcome once, signed so that an independent implementation verifies it', async () => {
    const secret = await hook('all', { statuses: ['FAILED', 'COMPLETED'], labels: { of: 'all' } });
    const labels = { of: 'all' };
    const ids = Array.from({ length: 20 }, (_, n) => `all-${n}`);
    await Promise.all(
      ids.map((jobId, n) =>
        n % 2 === 0 ? fail(jobId, { labels }) : belfry.client.schedule(jobId, custom('noop', inMs(0), { labels })),
      ),
    );
    await fail('all-unlabelled');
    await untilArrived('/all', ids.length);
    const all = arrived('/all');
    assert.equal(all.length, ids.length, 'each came once');
    for (const { id, headers, text, body } of all) {
      assert.deepEqual(new Webhook(secret).verify(text, headers as Record<string, string>), body);
      const outcome = belfry.outcomes.find(({ eventId }) => eventId === id)!;
      assert.deepEqual(
        [body.type, body.data.eventId, body.data.jobId, body.data.labels, body.data.error?.code],
        [`belfry.run.${outcome.status.toLowerCase()}.v1`, ...[id, outcome.jobId, labels, outcome.error?.code]],
      );
    }
    const runs = await api.ask('GET', '/api/jobs/belfry.webhook.all/runs?limit=100');
    assert.equal(runs.body.runs.length, ids.length, 'deliveries are runs like others');
  });

  it('tries again on 500, with the same id, and gives up into the DLQ on 410', async () => {
    let refused = 0;
    answer = (_, response) => void response.writeHead(++refused === 1 ? 500 : refused === 2 ? 204 : 410).end('later');
    await hook('again', { jobs: ['again', 'gone'] });
    await fail('again');
    await belfry.until('the second attempt', () => deliveriesOf('again', 'COMPLETED').length === 1);
    const [first, second] = arrived('/again');
    assert.equal(first!.id, second!.id);
    assert.equal(deliveriesOf('again', 'COMPLETED')[0]!.attempt, 2);
    await fail('gone');
    await belfry.until('the end of the delivery', () => deliveriesOf('again', 'FAILED').length === 1);
    const { body } = await api.ask('GET', '/api/dlq?jobId=belfry.webhook.again');
    assert.deepEqual([body.runs.length, body.runs[0].error.code], [1, 'http_status']);
    answer = (_, response) => void response.writeHead(204).end();
    await api.ask('POST', '/api/dlq/replay', { body: { runIds: [body.runs[0].runId] } });
    await belfry.until('the replay', () => deliveriesOf('again', 'COMPLETED').length === 2);
    assert.equal(arrived('/again').at(-1)!.id, arrived('/again').at(-2)!.id, 'a replay has the id of the outcome, too');
  });

  it('signs with both secrets while one is rotated', async () => {
    const former = await hook('rotated', { jobs: ['rotated'] });
    const rotated = await api.ask('POST', '/api/webhooks/rotated/rotate', { body: { grace: '1h' } });
    await fail('rotated');
    await untilArrived('/rotated', 1);
    const [{ text, headers }] = arrived('/rotated') as [Delivery];
    for (const secret of [former, rotated.body.secret as string])
      new Webhook(secret).verify(text, headers as Record<string, string>);
    const [row] = await belfry.rows(`SELECT secret, former_secret FROM webhooks WHERE id = 'rotated'`);
    for (const secret of [former, rotated.body.secret as string])
      assert.ok(!JSON.stringify(row).includes(secret.slice(6)), 'no secret stands in the database');
  });

  it('denies private addresses where the executor does not allow them', async () => {
    const strict = await TestDeployment.create({
      ...{ partitions: 2, env: { BELFRY_WEBHOOK_KEY: key, BELFRY_HTTP_ALLOW: '' } },
    });
    try {
      const admin = await strict.key(['admin']);
      const [service] = await Promise.all([strict.api(), strict.timer(), strict.executor()]);
      const other = await HttpApi.at(await service.port, admin);
      const before = receiver.seen.length;
      await other.ask('POST', '/api/webhooks', { body: { id: 'inside', url: `${receiver.url}/inside` } });
      const { body } = await other.ask('POST', '/api/webhooks/inside/test');
      await strict.until('the test ends', (outcomes) => outcomes.some(({ runId }) => runId === body.runId));
      assert.equal(strict.outcomes.find(({ runId }) => runId === body.runId)!.error?.code, 'address_denied');
      assert.equal(receiver.seen.length, before);
    } finally {
      await strict.destroy();
    }
  });

  it('is listed, changed, tested, disabled and removed over HTTP, by whom may', async () => {
    const secret = await hook('life', { jobs: ['nobody'] });
    const { body: test } = await api.ask('POST', '/api/webhooks/life/test');
    await belfry.until('the test arrives', (outcomes) => outcomes.some(({ runId }) => runId === test.runId));
    const [{ text, headers, body }] = arrived('/life') as [Delivery];
    new Webhook(secret).verify(text, headers as Record<string, string>);
    assert.deepEqual([body.type, headers['webhook-id']], ['belfry.webhook.test.v1', test.eventId]);
    const changed = { url: `${receiver.url}/life-2`, disabled: true };
    assert.equal((await api.ask('PUT', '/api/webhooks/life', { body: changed })).body.url, changed.url);
    const { body: refused } = await api.ask('POST', '/api/webhooks/life/test');
    await belfry.until('the second test ends', (outcomes) => outcomes.some(({ runId }) => runId === refused.runId));
    assert.equal(belfry.outcomes.find(({ runId }) => runId === refused.runId)!.error?.code, 'webhook_disabled');
    const listed = await api.ask('GET', '/api/webhooks');
    assert.ok(listed.body.webhooks.some((each: { id: string }) => each.id === 'life'));
    assert.ok(!JSON.stringify(listed.body).includes('whsec_'));
    const reader = await belfry.key(['read', 'write', 'run']);
    const another = await belfry.key(['admin'], 'acme');
    assert.equal((await api.ask('GET', '/api/webhooks/life', { key: reader })).status, 200);
    assert.equal((await api.ask('POST', '/api/webhooks/life/rotate', { key: reader, body: {} })).status, 403);
    assert.equal((await api.ask('GET', '/api/webhooks/life', { key: another })).status, 404);
    assert.equal((await api.ask('DELETE', '/api/webhooks/life', { key: another })).status, 404);
    assert.equal(
      (await api.ask('POST', '/api/webhooks', { body: { id: 'life', url: 'https://x.example' } })).status,
      409,
    );
    const wrong = await api.ask('POST', '/api/webhooks', { body: { url: 'ftp://x', statuses: ['DONE'] } });
    assert.deepEqual([wrong.status, wrong.body.errors.length], [400, 2]);
    assert.equal((await api.ask('DELETE', '/api/webhooks/life')).status, 200);
    assert.equal((await api.ask('GET', '/api/webhooks/life')).status, 404);
    const forged = { commands: [{ type: 'trigger', commandId: 'f', jobId: 'belfry.webhook.all', payload: {} }] };
    const answers = await api.ask('POST', '/api/commands', { body: forged });
    assert.equal(answers.body.results[0].error.code, 'invalid');
    const notice = { type: 'notify', commandId: 'f', jobId: 'belfry.webhook.all', body: {}, at: 0, ack: true };
    const told = await api.ask('POST', '/api/commands', { body: { commands: [notice] } });
    assert.equal(told.body.results[0].error.code, 'invalid', 'what Belfry signs is not taken from users');
  });

  for (const [fault, when] of [
    ['before-notice', 'between reading an outcome and passing it on'],
    ['after-notice', 'between deciding a delivery and producing it'],
  ] as const) {
    it(`loses none and sends none twice when a timer is killed ${when}`, async () => {
      const id = fault;
      await hook(id, { labels: { of: id } });
      const [timer] = belfry.services.filter(({ name, running }) => name === 'timer' && running);
      const victim = await belfry.start([], { script: FAULTY, env: { FAULT: fault } });
      await timer!.kill('SIGTERM');
      const ids = Array.from({ length: 30 }, (_, n) => `${id}-${n}`);
      const sent = Promise.all(ids.map((jobId) => fail(jobId, { labels: { of: id } })));
      sent.catch(() => undefined); // answers may be lost with the timer
      await victim.ended();
      assert.equal(victim.child.signalCode, 'SIGKILL');
      await belfry.timer();
      await sent.catch(() => undefined);
      await belfry.until('all failed', () =>
        ids.every((jobId) => belfry.outcomes.some((outcome) => outcome.jobId === jobId)),
      );
      await untilArrived(`/${id}`, ids.length, 60_000);
      const expected = belfry.outcomes.filter(({ jobId }) => ids.includes(jobId)).map(({ eventId }) => eventId);
      assert.deepEqual(new Set(arrived(`/${id}`).map((each) => each.id)), new Set(expected));
      const rows = await belfry.rows('SELECT run_id FROM runs WHERE job_id = $1', [`belfry.webhook.${id}`]);
      assert.equal(rows.length, ids.length, 'one delivery for each outcome');
    });
  }
});
