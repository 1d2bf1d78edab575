/** HTTP_REQUEST jobs: one request, its status judged, its answer (capped) the result. */
import { Agent, request, type Dispatcher } from 'undici';
import { isIP } from 'node:net';
import { BelfryError, messageOf } from '../../../core/errors.ts';
import { parseHttpPayload, type HttpPayload } from '../../../core/spec/payload-http.ts';
import type { Handler, HandlerContext } from '../handler.ts';
import type { AddressGuard } from './address-guard.ts';
import { retryAfterMs } from './retry-after.ts';
import { readSecret } from './secrets.ts';

/** More of an answer is not kept: results are for people and small programs. */
const MAX_BODY_BYTES = 48 * 1024;
/** What a job was accepted with stays accepted; limits of acceptance are the timer's business. */
const ACCEPTED = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };
const RETRYABLE = new Set([408, 425, 429]);

export type HttpResult = { status: number; contentType: string | null; body: string; bodyTruncated?: true };
export type HttpOptions = { guard: AddressGuard; secretsDir: string | undefined; now: () => number };

export function httpRequestHandler(options: HttpOptions): Handler {
  const agent = new Agent({ connect: { lookup: options.guard.lookup }, keepAliveTimeout: 4_000, connections: 50 });
  return {
    validate: (payload) => {
      const parsed = parseHttpPayload(payload, ACCEPTED);
      return Promise.resolve(
        'rejection' in parsed ? { ok: false, message: parsed.rejection.message } : { ok: true, value: parsed },
      );
    },
    run: (ctx) => send(agent, options, ctx as HandlerContext<HttpPayload>),
  };
}

async function send(agent: Agent, options: HttpOptions, ctx: HandlerContext<HttpPayload>): Promise<HttpResult> {
  const { method, url, body, expectStatus } = ctx.payload;
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) options.guard.check(host, host); // sockets look up names only
  const headers = await headersOf(options, ctx);
  let response: Dispatcher.ResponseData;
  try {
    response = await request(url, {
      dispatcher: agent,
      method,
      headers,
      body: bodyOf(body, headers),
      signal: ctx.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  } catch (cause) {
    throw networkError(cause);
  }
  const answer = await readCapped(response);
  if (expectStatus.some((expected) => matches(response.statusCode, expected))) return answer;
  throw statusError(response, answer, options.now());
}

async function headersOf(options: HttpOptions, ctx: HandlerContext<HttpPayload>): Promise<Record<string, string>> {
  const headers: Record<string, string> = { 'user-agent': 'belfry', 'idempotency-key': ctx.idempotencyKey };
  if (ctx.traceparent !== null) headers.traceparent = ctx.traceparent;
  for (const [name, value] of Object.entries(ctx.payload.headers)) {
    headers[name.toLowerCase()] =
      typeof value === 'string' ? value : await readSecret(options.secretsDir, ctx.tenant, value.secret);
  }
  return headers;
}

/** Text goes out as it is, anything else as JSON. */
function bodyOf(body: unknown, headers: Record<string, string>): string | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string') return body;
  headers['content-type'] ??= 'application/json';
  return JSON.stringify(body);
}

function matches(status: number, expected: string): boolean {
  return expected.endsWith('xx') ? Math.floor(status / 100) === Number(expected[0]) : status === Number(expected);
}

async function readCapped(response: Dispatcher.ResponseData): Promise<HttpResult> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_BODY_BYTES) break; // leaving the loop destroys the stream: the rest is never read
    }
  } catch (cause) {
    throw networkError(cause);
  }
  const contentType = response.headers['content-type'];
  const body = Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES).toString('utf8');
  const result: HttpResult = {
    status: response.statusCode,
    contentType: typeof contentType === 'string' ? contentType : null,
    body,
  };
  return length > MAX_BODY_BYTES ? { ...result, bodyTruncated: true } : result;
}

function statusError(response: Dispatcher.ResponseData, answer: HttpResult, now: number): BelfryError {
  const retryable = RETRYABLE.has(response.statusCode) || response.statusCode >= 500;
  const excerpt = answer.body.slice(0, 500);
  const error = new BelfryError(
    'http_status',
    `The answer was ${response.statusCode}${excerpt === '' ? '' : `: ${excerpt}`}`,
    { retryable },
  );
  return Object.assign(error, { retryAfterMs: retryAfterMs(response.headers['retry-after'], now) });
}

function networkError(cause: unknown): BelfryError {
  for (let inner: unknown = cause; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof BelfryError) return inner;
  }
  return new BelfryError('http_error', `The request failed: ${messageOf(cause)}`, { retryable: true, cause });
}
