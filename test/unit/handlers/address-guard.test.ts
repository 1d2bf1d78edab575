import assert from 'node:assert/strict';
import type { promises } from 'node:dns';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import { AddressGuard } from '../../../services/executor/handlers/http/address-guard.ts';
import { Gate } from '../../../services/executor/handlers/http/gate.ts';
import { NameResolver } from '../../../services/executor/handlers/http/name-resolver.ts';
import { httpRequestHandler } from '../../../services/executor/handlers/http/http-request.ts';
import { Sender } from '../../../services/executor/handlers/http/sender.ts';
import { serve } from './http-server.ts';
import { contextWith, folderWith, secretsIn } from './support.ts';

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
    new AddressGuard(['127.0.0.1']).lookup()('localhost', { all: true }, (...answer: unknown[]) => resolve(answer));
  });
  assert.deepEqual(looked, [null, [{ address: '127.0.0.1', family: 4 }]]);
});

void test('the refusal says which setting allows it, not what was resolved', async () => {
  const handler = httpRequestHandler({
    sender: new Sender(new AddressGuard([]), new SystemClock()),
    secrets: secretsIn(undefined),
    now: () => 0,
  });
  const checked = await handler.validate?.({ url: 'http://localhost:1' });
  assert.ok(checked?.ok);
  await assert.rejects(Promise.resolve(handler.run(contextWith({ payload: checked.value }))), {
    message: /^localhost does not lead to a public address\. To allow it.*BELFRY_HTTP_ALLOW/,
  });
});

void test('an entry that allows nothing is refused at start', () => {
  for (const entry of [
    '10.0.0.0/33',
    'localhost:8080',
    'http://localhost',
    'a b',
    '*.internal',
    '10.0.0.0/',
    '',
    '127.1',
    '0x7f000001',
    'db.internal.',
    '::ffff:10.0.0.0/104',
  ])
    assert.throws(() => new AddressGuard([entry]), { code: 'config_invalid', message: /BELFRY_HTTP_ALLOW/ }, entry);
});

void test('the metadata of clouds is reached only by an entry that names it', () => {
  const addresses = [
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    'fd00:ec2::254',
  ];
  const wide = new AddressGuard(['0.0.0.0/0', '::/0', '100.64.0.0/10', '168.63.0.0/16', 'fd00::/8', '10.0.0.1']);
  for (const address of addresses) {
    assert.equal(new AddressGuard([]).allows('x', address), false, address);
    assert.equal(wide.allows('x', address), false, address);
    assert.equal(new AddressGuard([address]).allows('x', address), true, address);
  }
  assert.equal(wide.allows('x', '100.100.100.201'), true);
});

type Answers = Record<string, string[] | string>;

/** Name servers that answer so; a text is an error's code. */
function resolverOf(v4: Answers, v6: Answers, system = new Gate(2)): NameResolver {
  const answer = (answers: Answers) => async (host: string) => {
    const found = answers[host] ?? 'ENOTFOUND';
    if (typeof found !== 'string') return found;
    throw Object.assign(new Error(found), { code: found });
  };
  const servers = { resolve4: answer(v4), resolve6: answer(v6) } as Pick<promises.Resolver, 'resolve4' | 'resolve6'>;
  return new NameResolver(system, servers);
}

void test('a name that is never answered does not come to the threads that read files', async () => {
  const system = new Gate(0); // whoever comes here waits for ever
  const names = resolverOf(
    { 'never.test': 'ETIMEOUT', 'half.test': ['203.0.113.7'], 'slow.test': 'ENODATA' },
    { 'never.test': 'ETIMEOUT', 'half.test': 'ETIMEOUT', 'slow.test': 'ETIMEOUT' },
    system,
  );
  await assert.rejects(names.resolve('never.test', new Gate(1)), { code: 'ETIMEOUT' });
  await assert.rejects(names.resolve('slow.test', new Gate(1)), { code: 'ETIMEOUT' });
  assert.deepEqual(await names.resolve('half.test', new Gate(1)), [{ address: '203.0.113.7', family: 4 }]);
});

void test('what the hosts file says goes first, and what only the system knows comes last', async () => {
  await using folder = await folderWith({ hosts: '10.1.2.3 api.test api # ours\n::5 API.test\n' });
  const none = resolverOf({}, {});
  const listed = new NameResolver(new Gate(2), undefined, `${folder.path}/hosts`);
  assert.deepEqual(await listed.resolve('api.test', new Gate(1)), [
    { address: '10.1.2.3', family: 4 },
    { address: '::5', family: 6 },
  ]);
  await assert.rejects(none.resolve('no-such-host.invalid', new Gate(1)), { code: /ENOTFOUND|EAI_AGAIN/ });
});

void test('a failed connection is told without the address that was tried', async () => {
  const server = await serve((_, response) => void response.end());
  await server[Symbol.asyncDispose]();
  const handler = httpRequestHandler({
    sender: new Sender(new AddressGuard(['localhost']), new SystemClock()),
    secrets: secretsIn(undefined),
    now: () => 0,
  });
  const checked = await handler.validate?.({ url: `http://localhost:${server.port}` });
  assert.ok(checked?.ok);
  await assert.rejects(Promise.resolve(handler.run(contextWith({ payload: checked.value }))), {
    message: 'The request failed: connect ECONNREFUSED',
  });
});
