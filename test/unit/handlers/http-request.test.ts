import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { BelfryError } from '../../../services/core/errors.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { AddressGuard } from '../../../services/executor/handlers/http/address-guard.ts';
import { MAX_BODY_BYTES, type HttpResult } from '../../../services/executor/handlers/http/answer.ts';
import { httpRequestHandler } from '../../../services/executor/handlers/http/http-request.ts';
import { Sender } from '../../../services/executor/handlers/http/sender.ts';
import { retryAfterMs } from '../../../services/executor/handlers/http/retry-after.ts';
import { serve } from './http-server.ts';
import { contextWith, folderWith, secretsIn } from './support.ts';

const NOW = Date.UTC(2026, 0, 1);
type Payload = Record<string, unknown>;
type Options = { secretsDir?: string; context?: Partial<HandlerContext> };

/** Validates and sends, as the executor does. */
async function send(payload: Payload, { secretsDir, context }: Options = {}): Promise<HttpResult> {
  const handler = httpRequestHandler({
    sender: new Sender(new AddressGuard(['127.0.0.1']), new SystemClock()),
    secrets: secretsIn(secretsDir),
    now: () => NOW,
  });
  const checked = await handler.validate?.(payload);
  assert.ok(checked?.ok, JSON.stringify(checked));
  return (await handler.run(contextWith({ payload: checked.value, ...context }))) as HttpResult;
}

async function failure(payload: Payload, options?: Options): Promise<BelfryError & { retryAfterMs?: number }> {
  const error: unknown = await send(payload, options).then(
    (result) => assert.fail(`answered ${JSON.stringify(result)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof BelfryError, inspect(error));
  return error;
}

void test('the answer is the result: status, content type and body', async () => {
  await using server = await serve(
    (_, response) => void response.writeHead(201, { 'content-type': 'text/plain' }).end('grüezi'),
  );
  assert.deepEqual(await send({ method: 'POST', url: `${server.url}/a?b=c`, body: { n: 1 } }), {
    status: 201,
    contentType: 'text/plain',
    body: 'grüezi',
  });
  const [request] = server.seen;
  assert.equal(`${request?.method} ${request?.path} ${request?.body}`, 'POST /a?b=c {"n":1}');
  assert.equal(request?.headers['content-type'], 'application/json');
});

void test('a text body goes out as it is, with the headers of the job', async () => {
  await using server = await serve((_, response) => void response.writeHead(204).end());
  const headers = { 'Content-Type': 'text/csv', 'X-Mine': 'yes' };
  assert.deepEqual(await send({ method: 'PUT', url: server.url, body: 'a;b', headers }), {
    status: 204,
    contentType: null,
    body: '',
  });
  const [request] = server.seen;
  assert.deepEqual(
    [request?.body, request?.headers['content-type'], request?.headers['x-mine']],
    ['a;b', 'text/csv', 'yes'],
  );
});

void test('the idempotency key and the trace go along', async () => {
  await using server = await serve((_, response) => void response.end());
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await send({ url: server.url }, { context: { idempotencyKey: 'first-run', traceparent } });
  await send({ url: server.url });
  assert.equal(server.seen[0]?.headers['idempotency-key'], 'first-run');
  assert.equal(server.seen[0]?.headers.traceparent, traceparent);
  assert.equal(server.seen[1]?.headers.traceparent, undefined);
});

void test('the statuses that the job expects are success, all others a failure with an excerpt of the answer', async () => {
  await using server = await serve(
    ({ url }, response) => void response.writeHead(Number(url?.slice(1))).end('why not'),
  );
  const status = async (code: number, expectStatus?: string[]) =>
    await send({ url: `${server.url}/${code}`, ...(expectStatus && { expectStatus }) });
  assert.equal((await status(204)).status, 204);
  assert.equal((await status(404, ['200', '404'])).status, 404);
  assert.equal((await status(503, ['5xx'])).status, 503);
  const error = await failure({ url: `${server.url}/200`, expectStatus: ['201', '3xx'] });
  assert.equal(error.code, 'http_status');
  assert.equal(error.message, 'The answer was 200: why not');
});

void test('4xx end the run; 408, 425, 429 and 5xx are tried again', async () => {
  await using server = await serve(({ url }, response) => void response.writeHead(Number(url?.slice(1))).end());
  const statuses = [400, 401, 403, 404, 409, 410, 422, 408, 425, 429, 500, 502, 503, 504];
  const retried = [];
  for (const status of statuses) {
    const error = await failure({ url: `${server.url}/${status}` });
    assert.equal(error.message, `The answer was ${status}`);
    if (error.retryable) retried.push(status);
  }
  assert.deepEqual(retried, [408, 425, 429, 500, 502, 503, 504]);
});

void test('Retry-After puts the next attempt off, in seconds and as a date', async () => {
  const values = ['120', new Date(NOW + 90_000).toUTCString(), 'whenever'];
  await using server = await serve(
    ({ url }, response) => void response.writeHead(503, { 'retry-after': values[Number(url?.slice(1))] }).end(),
  );
  const waits = [];
  for (const index of values.keys()) waits.push((await failure({ url: `${server.url}/${index}` })).retryAfterMs);
  assert.deepEqual(waits, [120_000, 90_000, 0]);
});

void test('a Retry-After in the past, without sense or beyond a day is bounded', () => {
  const read = (header: string | string[] | undefined) => retryAfterMs(header, NOW);
  assert.equal(read(undefined), 0);
  assert.equal(read(new Date(NOW - 5_000).toUTCString()), 0);
  assert.equal(read('-5'), 0);
  assert.equal(read(['1', '2']), 0);
  assert.equal(read('99999999999'), 24 * 3_600_000);
});

void test('a secret is read from its tenant’s folder when sending', async () => {
  await using folder = await folderWith({ 'acme/billing-token': 'Bearer s3cr3t\n' });
  await using server = await serve((_, response) => void response.end());
  await send({ url: server.url, headers: { Authorization: { secret: 'billing-token' } } }, { secretsDir: folder.path });
  assert.equal(server.seen[0]?.headers.authorization, 'Bearer s3cr3t');
});

void test('a secret that the server echoes appears neither in the result nor in the error', async () => {
  await using folder = await folderWith({ 'acme/billing-token': 'Bearer s3cr3t' });
  await using server = await serve(
    ({ url, headers }, response) => void response.writeHead(url === '/ok' ? 200 : 500).end(JSON.stringify(headers)),
  );
  const headers = { Authorization: { secret: 'billing-token' } };
  const options = { secretsDir: folder.path };
  const result = await send({ url: `${server.url}/ok`, headers }, options);
  assert.match(result.body, /"authorization":"\[secret\]"/);
  const error = await failure({ url: `${server.url}/bad`, headers }, options);
  assert.doesNotMatch(inspect([result, error], { depth: 10 }), /s3cr3t/);
});

void test('a secret that cannot be used stops the request, retryably, and is not shown', async () => {
  await using folder = await folderWith({ 'acme/empty': '\n', 'acme/lines': 'top\nsecret', 'other/theirs': 'x' });
  await using server = await serve((_, response) => void response.end());
  const using = (secret: string, secretsDir: string | undefined = folder.path) =>
    failure({ url: server.url, headers: { authorization: { secret } } }, secretsDir === '' ? {} : { secretsDir });
  for (const [error, message] of [
    [await using('gone'), /"gone" of tenant acme cannot be read/],
    [await using('theirs'), /"theirs" of tenant acme cannot be read/],
    [await using('empty'), /"empty" of tenant acme is empty/],
    [await using('lines'), /has characters that a header cannot carry/],
    [await using('any', ''), /BELFRY_SECRETS_DIR is not set/],
  ] as const) {
    assert.deepEqual([error.code, error.retryable], ['secret_not_found', true]);
    assert.match(error.message, message);
    assert.doesNotMatch(inspect(error), /top/);
  }
  assert.equal(server.seen.length, 0);
});

void test('of a long answer the beginning is kept, at a whole character, and an endless one ends there', async () => {
  await using server = await serve((_, response) => {
    const piece = 'ä'.repeat(8 * 1024);
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
      if (!response.destroyed) response.once('drain', more);
    };
    response.write('x');
    more();
  });
  const result = await send({ url: server.url });
  assert.equal(result.bodyTruncated, true);
  assert.equal(Buffer.byteLength(result.body), MAX_BODY_BYTES - 1);
  assert.match(result.body, /^xä+$/);
  assert.ok(JSON.stringify(result).length < 64 * 1024);
});

void test('an answer of just the cap is whole', async () => {
  await using server = await serve((_, response) => void response.end('x'.repeat(MAX_BODY_BYTES)));
  const result = await send({ url: server.url });
  assert.equal(result.body.length, MAX_BODY_BYTES);
  assert.equal('bodyTruncated' in result, false);
});

void test('a redirect is not followed', async () => {
  await using server = await serve(
    ({ url }, response) => void response.writeHead(url === '/' ? 302 : 200, { location: '/elsewhere' }).end(),
  );
  const error = await failure({ url: `${server.url}/` });
  assert.deepEqual([error.code, error.retryable, server.seen.length], ['http_status', false, 1]);
});

void test('the signal ends a request that waits, and one whose answer is under way, with its own reason', async () => {
  const reason = new BelfryError('timeout', 'the run was aborted: timeout');
  for (const begin of [false, true]) {
    const abortion = new AbortController();
    await using server = await serve((_, response) => {
      if (begin) response.writeHead(200).write('half');
      setImmediate(() => abortion.abort(reason));
    });
    assert.equal(await failure({ url: server.url }, { context: { signal: abortion.signal } }), reason);
  }
});

void test('a refused, a broken and an unresolvable connection are http_error and tried again', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  await using breaking = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
    setImmediate(() => response.destroy());
  });
  for (const url of [`http://127.0.0.1:${port}`, breaking.url, 'http://no-such-host.invalid']) {
    const error = await failure({ url });
    assert.deepEqual([error.code, error.retryable], ['http_error', true], url);
  }
  assert.match((await failure({ url: `http://127.0.0.1:${port}` })).message, /ECONNREFUSED/);
});

void test('a payload that is no HTTP request is refused', async () => {
  const handler = httpRequestHandler({
    sender: new Sender(new AddressGuard([]), new SystemClock()),
    secrets: secretsIn(undefined),
    now: () => NOW,
  });
  const answer = await handler.validate?.({ url: 'ftp://example.com' });
  assert.deepEqual(answer, { ok: false, message: 'payload.url is not an http or https URL' });
});
