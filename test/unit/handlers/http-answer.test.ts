/** What servers may answer to HTTP_REQUEST jobs, with real servers. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { SystemClock } from '../../../services/adapters/clock.ts';
import { AddressGuard } from '../../../services/executor/handlers/http/address-guard.ts';
import { MAX_BODY_BYTES, type HttpResult } from '../../../services/executor/handlers/http/answer.ts';
import { parseHttpDate } from '../../../services/executor/handlers/http/http-date.ts';
import { retryAfterMs } from '../../../services/executor/handlers/http/retry-after.ts';
import { Sender, type BodyLimits } from '../../../services/executor/handlers/http/sender.ts';
import { serve } from './http-server.ts';

const NOW = Date.UTC(2026, 11, 1, 2, 58);

type Asking = { headers?: Record<string, string>; secrets?: string[]; bodyLimits?: BodyLimits };
type Served = { headers: Record<string, string>; body: Buffer | string };

/** The result of an answer, and what was asked for. */
async function answered(
  served: Served | ((request: IncomingMessage, response: ServerResponse) => void),
  { headers = {}, secrets = [], bodyLimits }: Asking = {},
): Promise<HttpResult & { asked: string | undefined }> {
  const answer =
    typeof served === 'function'
      ? served
      : (_: IncomingMessage, response: ServerResponse) => void response.writeHead(200, served.headers).end(served.body);
  await using server = await serve(answer);
  const { signal } = new AbortController();
  const sender = new Sender(new AddressGuard(['127.0.0.1']), new SystemClock(), bodyLimits);
  const outgoing = { tenant: 'acme', method: 'GET', url: server.url, headers, body: null, signal } as const;
  const { result } = await sender.send(outgoing, secrets);
  return { ...result, asked: server.seen[0]?.headers['accept-encoding'] };
}

const TEXT = 'Grüezi mitenand: '.repeat(40);
const packed = {
  gzip: gzipSync(TEXT),
  'x-gzip': gzipSync(TEXT),
  deflate: deflateSync(TEXT),
  br: brotliCompressSync(TEXT),
};

void test('no compression is asked for, unless the job does', async () => {
  const plain = { headers: {}, body: 'a' };
  assert.equal((await answered(plain)).asked, 'identity');
  assert.equal((await answered(plain, { headers: { 'accept-encoding': 'gzip' } })).asked, 'gzip');
});

for (const [coding, body] of Object.entries({
  ...packed,
  DEFLATE: deflateRawSync(TEXT),
  'identity, gzip': packed.gzip,
  'gzip, br': brotliCompressSync(packed.gzip),
})) {
  void test(`an answer that comes as ${coding} all the same is unpacked`, async () => {
    const {
      body: text,
      bodyEncoding,
      bodyTruncated,
    } = await answered({ headers: { 'content-encoding': coding }, body });
    assert.deepEqual([text, bodyEncoding, bodyTruncated], [TEXT, undefined, undefined]);
  });
}

void test('what unpacks to gigabytes is kept up to the limit, and its rest is neither unpacked nor held', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 'a'));
  const twice = gzipSync(bomb);
  const before = process.memoryUsage().rss;
  for (const [coding, body] of [
    ['gzip', bomb],
    ['gzip, gzip', twice],
  ] as const) {
    const result = await answered({ headers: { 'content-encoding': coding }, body });
    assert.deepEqual([result.body.length, result.bodyTruncated], [MAX_BODY_BYTES, true]);
  }
  assert.ok(process.memoryUsage().rss - before < 48 * 1024 * 1024, 'nothing of the kind was unpacked');
});

void test('what unpacks to nothing for ever ends', async () => {
  const emptyBlocks = Buffer.alloc(65_535, Buffer.from([0, 0, 0, 0xff, 0xff])); // of deflate: empty, not the last one
  const result = await answered((_, response) => {
    response.writeHead(200, { 'content-encoding': 'deflate' });
    response.write(Buffer.from([0x78, 0x9c]));
    const more = (): void => {
      while (!response.destroyed && response.write(emptyBlocks));
    };
    response.on('drain', more);
    more();
  });
  assert.equal(result.bodyEncoding, 'base64');
});

const broken: [string, Served][] = [
  ['of a coding that nobody here knows', { headers: { 'content-encoding': 'zstd' }, body: zstdCompressSync(TEXT) }],
  ['that is not what its coding says', { headers: { 'content-encoding': 'gzip' }, body: 'plain text' }],
  [
    'that is packed, and ends in the middle',
    { headers: { 'content-encoding': 'gzip' }, body: packed.gzip.subarray(0, 40) },
  ],
  ['that is no text', { headers: { 'content-type': 'image/png' }, body: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff]) }],
  ['of a charset that nobody knows', { headers: { 'content-type': 'text/plain; charset=klingon' }, body: 'a' }],
  [
    'that is not of its charset',
    { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from('gr\u00fcezi', 'latin1') },
  ],
];
for (const [title, served] of broken) {
  void test(`an answer ${title} is kept as its bytes, and the result says so`, async () => {
    const { body, bodyEncoding } = await answered(served);
    assert.deepEqual([Buffer.from(body, 'base64'), bodyEncoding], [Buffer.from(served.body), 'base64']);
  });
}

void test('a charset is read from the header', async () => {
  const of = async (charset: string, body: Buffer) =>
    (await answered({ headers: { 'content-type': `text/html; charset=${charset}` }, body })).body;
  assert.equal(await of('iso-8859-1', Buffer.from('gr\u00fcezi', 'latin1')), 'gr\u00fcezi');
  assert.equal(await of('"Windows-1251"', Buffer.from([0xcf, 0xf0])), 'Пр');
  assert.equal(await of('utf-16le', Buffer.from('gr\u00fcezi', 'utf16le')), 'gr\u00fcezi');
  assert.equal(await of('Shift_JIS', Buffer.from([0x93, 0xfa, 0x96, 0x7b])), '日本');
});

void test('a large answer is cut between characters, and in base64 fits the same limit', async () => {
  const umlauts = await answered({ headers: {}, body: `a${'ü'.repeat(MAX_BODY_BYTES)}` });
  assert.ok(umlauts.bodyTruncated && !umlauts.body.includes('\ufffd') && umlauts.bodyEncoding === undefined);
  const binary = await answered({ headers: {}, body: Buffer.alloc(2 * MAX_BODY_BYTES, 0xff) });
  assert.deepEqual([binary.body.length, binary.bodyTruncated, binary.bodyEncoding], [MAX_BODY_BYTES, true, 'base64']);
});

void test('a secret that comes back among bytes is not kept', async () => {
  const echo = Buffer.concat([Buffer.from([0xff]), Buffer.from('Bearer s3cr3t')]);
  const plain = await answered({ headers: {}, body: echo }, { secrets: ['Bearer s3cr3t'] });
  assert.doesNotMatch(Buffer.from(plain.body, 'base64').toString('latin1'), /s3cr3t/);
  const hidden = await answered(
    { headers: { 'content-encoding': 'zstd' }, body: zstdCompressSync(echo) },
    { secrets: ['Bearer s3cr3t'] },
  );
  assert.deepEqual([hidden.body, hidden.bodyTruncated], ['', true]);
});

void test('a connection that breaks in the middle of a packed answer fails the attempt', async () => {
  const breaking = answered((_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '5000' });
    response.write(packed.gzip.subarray(0, 20), () => response.destroy());
  });
  await assert.rejects(breaking, { code: 'http_error', retryable: true });
});

const dates: [string, string | undefined][] = [
  ['Sun, 06 Nov 1994 08:49:37 GMT', '1994-11-06T08:49:37.000Z'],
  ['Sunday, 06-Nov-94 08:49:37 GMT', '1994-11-06T08:49:37.000Z'],
  ['Sunday, 06-Nov-36 08:49:37 GMT', '2036-11-06T08:49:37.000Z'],
  ['Sun Nov  6 08:49:37 1994', '1994-11-06T08:49:37.000Z'],
  ['Tue Dec  1 02:58:10 2026', '2026-12-01T02:58:10.000Z'],
  ['Sat, 31 Dec 2016 23:59:60 GMT', '2017-01-01T00:00:00.000Z'],
  ['Sun, 06 Nov 1994 08:49:37 CET', undefined],
  ['Sun, 31 Feb 2027 08:49:37 GMT', undefined],
  ['Sun, 06 Nov 1994 24:49:37 GMT', undefined],
  ['2026-12-01', undefined],
  ['December 1, 2026', undefined],
];
for (const [text, expected] of dates) {
  void test(`the HTTP date "${text}" is ${expected ?? 'none'}`, () => {
    const ms = parseHttpDate(text, NOW);
    assert.equal(ms === undefined ? undefined : new Date(ms).toISOString(), expected);
  });
}

void test('a date of Retry-After means the same on every machine, whatever its zone', () => {
  const zone = process.env.TZ;
  try {
    for (const TZ of ['Asia/Tokyo', 'America/Los_Angeles', 'UTC']) {
      process.env.TZ = TZ;
      assert.equal(retryAfterMs('Tue Dec  1 02:58:10 2026', NOW), 10_000, TZ);
    }
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

/** Sends a piece every so often, for ever. */
function dripping(everyMs: number): (request: IncomingMessage, response: ServerResponse) => void {
  return (_, response) => {
    response.writeHead(200).write('a');
    const drip = setInterval(() => response.write('a'), everyMs);
    response.once('close', () => clearInterval(drip));
  };
}

void test('a body that stops coming, or goes on dripping, ends the request, to be tried again', async () => {
  const cases: [everyMs: number, BodyLimits, RegExp][] = [
    [60_000, { idleMs: 50, totalMs: 60_000 }, /Body Timeout/],
    [5, { idleMs: 60_000, totalMs: 100 }, /did not end within 100 ms/],
  ];
  for (const [everyMs, bodyLimits, message] of cases) {
    await assert.rejects(answered(dripping(everyMs), { bodyLimits }), { code: 'http_error', retryable: true, message });
  }
});

void test('a tenant that holds all connections to an origin does not hold those of another', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/quick') response.end('done');
  });
  const sender = new Sender(new AddressGuard(['127.0.0.1']), new SystemClock());
  const held = new AbortController();
  const get = (tenant: string, path: string, signal = new AbortController().signal) =>
    sender.send({ tenant, method: 'GET', url: `${server.url}${path}`, headers: {}, body: null, signal }, []);
  const hanging = Array.from({ length: 60 }, () => get('hog', '/hang', held.signal));
  const ended = Promise.allSettled(hanging);
  assert.equal((await get('honest', '/quick')).result.body, 'done');
  held.abort();
  await ended;
});

void test('a secret is hidden in the content type, and where the answer is cut in the middle of it', async () => {
  const secret = 'Bearer s3cr3t-token';
  const served = { headers: { 'content-type': `text/plain; x=${secret}` }, body: '' };
  for (let shown = 1; shown <= secret.length; shown++) {
    served.body = `${'a'.repeat(MAX_BODY_BYTES - shown)}${secret} and more`;
    const { contentType, body } = await answered(served, { secrets: [secret] });
    assert.equal(contentType, 'text/plain; x=[secret]');
    assert.match(body, /^a+(\[secret\]|\[secre|\[secr|\[sec|\[se|\[s|\[)?$/, `${shown} characters of it are read`);
  }
});
