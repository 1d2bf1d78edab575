import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { newWebhookSchema } from '../../services/core/spec/webhook-schema.ts';
import { makeSecret, seal, secretBytesOf, unseal } from '../../services/core/webhook-secret.ts';
import { hears, signatureOf } from '../../services/core/webhook.ts';
import { outcome } from './cli/support.ts';

const OWNER = { tenant: 'acme', id: 'alerts' };
const BODY = '{"type":"belfry.run.failed.v1","data":{"grüezi":"ü"}}';

void test('a signature is verified by an independent implementation of Standard Webhooks, as is each of two', () => {
  const [present, former] = [makeSecret(randomBytes(32)), makeSecret(randomBytes(32))];
  const seconds = Math.floor(Date.now() / 1_000);
  const keys = [present, former].map((secret) => secretBytesOf(secret)!);
  const headers = {
    'webhook-id': 'run:failed',
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatureOf('run:failed', seconds, BODY, keys),
  };
  for (const secret of [present, former]) assert.deepEqual(new Webhook(secret).verify(BODY, headers), JSON.parse(BODY));
  assert.throws(() => new Webhook(present).verify(`${BODY} `, headers));
  assert.throws(() => new Webhook(makeSecret(randomBytes(32))).verify(BODY, headers));
  assert.throws(() => new Webhook(present).verify(BODY, { ...headers, 'webhook-id': 'run:completed' }));
});

void test('a sealed secret is opened by the same key for the same webhook alone, and shows nothing', () => {
  const [key, secret] = [randomBytes(32), makeSecret(randomBytes(32))];
  const sealed = seal(secret, OWNER, key, randomBytes(12));
  assert.ok(!sealed.includes(secret.slice(6)));
  assert.equal(unseal(sealed, OWNER, key), secret);
  const wrong = { code: 'webhook_key_wrong', retryable: true };
  assert.throws(() => unseal(sealed, OWNER, randomBytes(32)), wrong);
  assert.throws(() => unseal(sealed, { ...OWNER, id: 'other' }, key), wrong);
  assert.throws(() => unseal(sealed, { ...OWNER, tenant: 'other' }, key), wrong);
  assert.throws(() => unseal('v1.nonsense', OWNER, key), wrong);
});

void test('a secret is whsec_ and 24 to 64 bytes in base64', () => {
  assert.equal(secretBytesOf(makeSecret(randomBytes(32)))?.length, 32);
  for (const bytes of [24, 64]) assert.ok(secretBytesOf(makeSecret(randomBytes(bytes))));
  for (const bytes of [0, 23, 65]) assert.equal(secretBytesOf(makeSecret(randomBytes(bytes))), undefined);
  for (const text of ['', 'whsec_', 'whsec_%%%', randomBytes(32).toString('base64')])
    assert.equal(secretBytesOf(text), undefined);
});

void test('a webhook hears of failures of every job unless it says otherwise', () => {
  const { statuses, jobs, handlers, labels } = newWebhookSchema.parse({ url: 'https://example.com' });
  assert.deepEqual([statuses, jobs, handlers, labels], [['FAILED'], [], [], {}]);
  const failed = outcome({ status: 'FAILED', labels: { team: 'a', tier: '1' } });
  const all = { statuses, jobs, handlers, labels };
  assert.ok(hears(all, failed));
  assert.ok(!hears(all, outcome()));
  assert.ok(hears({ ...all, jobs: ['x', 'report'], handlers: ['greet'], labels: { team: 'a' } }, failed));
  assert.ok(!hears({ ...all, jobs: ['x'] }, failed));
  assert.ok(!hears({ ...all, handlers: ['x'] }, failed));
  assert.ok(!hears({ ...all, labels: { team: 'a', tier: '2' } }, failed));
});

void test('what is no webhook is refused, and what may be a secret is not shown', () => {
  const url = 'https://example.com';
  const refused = [
    {},
    { url: 'ftp://example.com' },
    { url: 'https://me:pw@example.com' },
    { url, statuses: [] },
    { url, statuses: ['RUNNING'] },
    { url, id: '../x' },
    { url, secret: 'whsec_hunter2' },
    { url, colour: 'red' },
  ];
  for (const written of refused) {
    const { error } = newWebhookSchema.safeParse(written);
    assert.ok(error, JSON.stringify(written));
    assert.ok(!error.message.includes('hunter2'));
  }
});
