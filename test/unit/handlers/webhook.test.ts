import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { MemoryDatabase } from '../../../services/adapters/memory/database.ts';
import { MemoryWebhooks } from '../../../services/adapters/memory/webhooks.ts';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { OUTCOME_EVENT, webhookJobId } from '../../../services/core/own-names.ts';
import { makeSecret, seal } from '../../../services/core/webhook-secret.ts';
import { AddressGuard } from '../../../services/executor/handlers/http/address-guard.ts';
import { Sender } from '../../../services/executor/handlers/http/sender.ts';
import { webhookHandler } from '../../../services/executor/handlers/webhook.ts';
import { serve } from './http-server.ts';
import { contextWith } from './support.ts';

const KEY = randomBytes(32);
const OWNER = { tenant: 'acme', id: 'alerts' };
const EVENT = { name: OUTCOME_EVENT, id: 'run-1:failed', payload: { type: 'belfry.run.failed.v1', data: { n: 'ü' } } };

/** A webhook of acme, and a handler that delivers for it. */
async function hook(url: string, { allow = ['127.0.0.1'], key = KEY, disabled = false } = {}) {
  const webhooks = new MemoryWebhooks(new MemoryDatabase({ partitions: 1, now: () => Date.now() }));
  const secret = makeSecret(randomBytes(32));
  const sealed = seal(secret, OWNER, KEY, randomBytes(12));
  const filter = { statuses: ['FAILED'] as const, jobs: [], handlers: [], labels: {} };
  await webhooks.create({ ...OWNER, ...filter, url, disabled, secret: sealed }, 20);
  const handler = webhookHandler({
    sender: new Sender(new AddressGuard(allow), new SystemClock()),
    webhooks,
    key,
    now: () => Date.now(),
  });
  const context = contextWith({ jobId: webhookJobId('alerts'), event: EVENT });
  return { webhooks, secret, deliver: async (more = {}) => handler.run({ ...context, ...more }) };
}

async function failure(work: Promise<unknown>): Promise<BelfryError & { retryAfterMs?: number }> {
  const error: unknown = await work.then(
    () => assert.fail('it was delivered'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof BelfryError, String(error));
  return error;
}

void test('a delivery is signed so that receivers can verify it, with both secrets during a rotation', async () => {
  await using server = await serve((_, response) => void response.writeHead(204).end());
  const { webhooks, secret, deliver } = await hook(server.url);
  await deliver();
  const next = makeSecret(randomBytes(32));
  await webhooks.rotate('acme', 'alerts', seal(next, OWNER, KEY, randomBytes(12)), 60_000);
  await deliver();
  const [first, second] = server.seen;
  assert.equal(`${first!.method} ${String(first!.headers['webhook-id'])}`, 'POST run-1:failed');
  for (const [seen, secrets] of [[first!, [secret]] as const, [second!, [next, secret]] as const]) {
    const headers = seen.headers as Record<string, string>;
    for (const each of secrets) assert.deepEqual(new Webhook(each).verify(seen.body, headers), EVENT.payload);
  }
  assert.equal(String(second!.headers['webhook-signature']).split(' ').length, 2);
});

void test('every answer but 2xx is tried again, when the receiver says so, and 410 is not', async () => {
  let status = 400;
  await using server = await serve(
    (_, response) => void response.writeHead(status, { 'retry-after': '7', location: '/elsewhere' }).end('no'),
  );
  const { deliver } = await hook(server.url);
  for (status of [302, 400, 404, 429, 500]) {
    const { code, retryable, retryAfterMs } = await failure(deliver());
    assert.deepEqual([code, retryable, retryAfterMs], ['http_status', true, 7_000], String(status));
  }
  assert.equal(server.seen.length, 5, 'no redirect was followed');
  status = 410;
  assert.equal((await failure(deliver())).retryable, false);
});

void test('private addresses are denied unless the executor allows them', async () => {
  await using server = await serve((_, response) => void response.writeHead(204).end());
  const { deliver } = await hook(server.url, { allow: [] });
  const { code, retryable } = await failure(deliver());
  assert.deepEqual([code, retryable, server.seen.length], ['address_denied', false, 0]);
});

void test('what cannot be delivered says why', async () => {
  const codeOf = async (work: Promise<unknown>) => (await failure(work)).code;
  const { webhooks, deliver } = await hook('http://127.0.0.1:1');
  assert.equal(await codeOf(deliver()), 'http_error');
  assert.equal(await codeOf(deliver({ event: null })), 'payload_invalid');
  await webhooks.remove('acme', 'alerts');
  assert.equal(await codeOf(deliver()), 'webhook_removed');
  assert.equal(await codeOf((await hook('http://127.0.0.1:1', { disabled: true })).deliver()), 'webhook_disabled');
  const other = await hook('http://127.0.0.1:1', { key: randomBytes(32) });
  assert.equal(await codeOf(other.deliver()), 'webhook_key_wrong');
  const { webhooks: same, ...none } = await hook('http://127.0.0.1:1');
  const keyless = webhookHandler({
    ...{ sender: new Sender(new AddressGuard([]), new SystemClock()), webhooks: same, key: undefined, now: () => 0 },
  });
  const context = contextWith({ jobId: webhookJobId('alerts'), event: EVENT });
  const missing = await failure(Promise.resolve().then(() => keyless.run(context)));
  assert.deepEqual([missing.code, missing.retryable], ['webhook_key_missing', true]);
  assert.ok(none.secret.startsWith('whsec_'));
});
