import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { AddressGuard } from '../../../services/executor/handlers/http/address-guard.ts';
import { httpRequestHandler } from '../../../services/executor/handlers/http/http-request.ts';
import { Sender } from '../../../services/executor/handlers/http/sender.ts';
import { serve } from './http-server.ts';
import { contextWith, secretsIn } from './support.ts';

/** What comes of a request under this allow list: its status, or its error's code. */
async function outcome(url: string, allow: string[] = []): Promise<number | string> {
  const handler = httpRequestHandler({
    sender: new Sender(new AddressGuard(allow), new SystemClock()),
    secrets: secretsIn(undefined),
    now: () => 0,
  });
  const checked = await handler.validate?.({ url });
  assert.ok(checked?.ok, inspect(checked));
  try {
    return ((await handler.run(contextWith({ payload: checked.value }))) as { status: number }).status;
  } catch (error) {
    assert.ok(error instanceof BelfryError, inspect(error));
    if (error.code === 'address_denied') assert.equal(error.retryable, false);
    return error.code;
  }
}

void test('nothing private is reached unless it is allowed, however its address is written', async () => {
  await using server = await serve((_, response) => void response.end());
  const { port } = server;
  const hosts = [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '127.0.0.1.', '0.0.0.0', '0'],
    ...['localhost', 'LOCALHOST', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]'],
    ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '224.0.0.1'],
    ...['[fd00:ec2::254]', '[fe80::1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '１２７.0.0.1'],
  ];
  for (const host of hosts) assert.equal(await outcome(`http://${host}:${port}`), 'address_denied', host);
  assert.equal(await outcome(`https://127.0.0.1:${port}`), 'address_denied');
  assert.equal(await outcome(`https://localhost:${port}`), 'address_denied');
  assert.equal(server.seen.length, 0);
});

void test('a host, an address and a CIDR allow what they name, and nothing else', async () => {
  await using server = await serve((_, response) => void response.end());
  const url = (host: string) => `http://${host}:${server.port}`;
  for (const [allow, host] of [
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1', 'localhost'],
    ['127.0.0.1', '[::ffff:127.0.0.1]'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['127.0.0.0/8', '2130706433'],
    ['localhost', 'localhost'],
    ['LocalHost', 'LOCALHOST'],
  ] as const) {
    assert.equal(await outcome(url(host), [allow]), 200, `${allow} for ${host}`);
  }
  for (const [allow, host] of [
    ['localhost', '127.0.0.1'],
    ['127.0.0.2', '127.0.0.1'],
    ['10.0.0.0/8', '127.0.0.1'],
    ['local', 'localhost'],
    ['::1', '127.0.0.1'],
    ['::/0', '127.0.0.1'],
  ] as const) {
    assert.equal(await outcome(url(host), [allow]), 'address_denied', `${allow} for ${host}`);
  }
});

void test('an IPv6 address is allowed with and without its brackets, and within a CIDR', () => {
  for (const allow of ['::1', '[::1]', '::/127', '0:0:0:0:0:0:0:1'])
    assert.equal(new AddressGuard([allow]).allows('::1', '::1'), true, allow);
  assert.equal(new AddressGuard(['fd00::/8']).allows('db.internal', 'fd12::1'), true);
  assert.equal(new AddressGuard(['fd00::/8']).allows('db.internal', 'fe80::1%eth0'), false);
});

void test('a host is the same host with the dot of the root', () => {
  assert.equal(new AddressGuard(['db.internal']).allows('DB.internal.', '10.0.0.1'), true);
});

void test('public addresses need no permission', () => {
  const guard = new AddressGuard([]);
  for (const address of ['8.8.8.8', '93.184.216.34', '2606:4700::1111', '::ffff:8.8.8.8'])
    assert.equal(guard.allows('example.com', address), true, address);
});

void test('a name is judged by what it resolves to: private addresses are left out of the answer', async () => {
  const looked = await new Promise<unknown[]>((resolve) => {
    new AddressGuard(['127.0.0.1']).lookup('localhost', { all: true }, (...answer: unknown[]) => resolve(answer));
  });
  assert.deepEqual(looked, [null, [{ address: '127.0.0.1', family: 4 }]]);
});

void test('the refusal says what was resolved and which setting allows it', async () => {
  const handler = httpRequestHandler({
    sender: new Sender(new AddressGuard([]), new SystemClock()),
    secrets: secretsIn(undefined),
    now: () => 0,
  });
  const checked = await handler.validate?.({ url: 'http://localhost:1' });
  assert.ok(checked?.ok);
  await assert.rejects(Promise.resolve(handler.run(contextWith({ payload: checked.value }))), {
    message:
      /^localhost resolves to (127\.0\.0\.1|::1), which is not a public address\. To allow it.*BELFRY_HTTP_ALLOW/,
  });
});

void test('an entry that allows nothing is refused at start', () => {
  for (const entry of ['10.0.0.0/33', 'localhost:8080', 'http://localhost', 'a b', '*.internal', '10.0.0.0/', ''])
    assert.throws(() => new AddressGuard([entry]), { code: 'config_invalid', message: /BELFRY_HTTP_ALLOW/ }, entry);
});
