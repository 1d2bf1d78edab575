/** HTTP_REQUEST jobs: one request, its status judged, its answer (capped) the result. */
import { Agent, request, type Dispatcher } from 'undici';
import { BelfryError, messageOf } from '../../../core/errors.ts';
import { parseHttpPayload, type HttpPayload } from '../../../core/spec/payload-http.ts';
import type { Handler, HandlerContext } from '../handler.ts';
import type { AddressGuard } from './address-guard.ts';
import { readAnswer, type HttpResult } from './answer.ts';
import { retryAfterMs } from './retry-after.ts';
import { readSecret } from './secrets.ts';

/** What a job was accepted with stays accepted; limits of acceptance are the timer's business. */
const ACCEPTED = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };
const RETRYABLE = new Set([408, 425, 429]);
const MAX_EXCERPT_CHARS = 500;

export type HttpOptions = {
  guard: AddressGuard;
  /** `BELFRY_SECRETS_DIR`. */
  secretsDir: string | undefined;
  /** ms since the epoch */
  now: () => number;
};

export function httpRequestHandler(options: HttpOptions): Handler {
  const agent = new Agent({ connect: options.guard.connector(), keepAliveTimeout: 4_000, connections: 50 });
  return {
    validate: (payload) => {
      const parsed = parseHttpPayload(payload, ACCEPTED);
      return 'rejection' in parsed ? { ok: false, message: parsed.rejection.message } : { ok: true, value: parsed };
    },
    run: (ctx) => send(agent, options, ctx as HandlerContext<HttpPayload>),
  };
}

async function send(agent: Agent, options: HttpOptions, ctx: HandlerContext<HttpPayload>): Promise<HttpResult> {
  const { method, url, body, expectStatus } = ctx.payload;
  const { headers, secrets } = await headersOf(options, ctx);
  const content = bodyOf(body, headers);
  let response: Dispatcher.ResponseData;
  let answer: HttpResult;
  try {
    // Follows no redirect: where it leads was never accepted. The run's own timeout, its signal, is the only one.
    response = await request(url, {
      dispatcher: agent,
      method,
      headers,
      body: content,
      signal: ctx.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    answer = await readAnswer(response, secrets);
  } catch (cause) {
    throw networkError(cause);
  }
  if (expectStatus.some((expected) => matches(response.statusCode, expected))) return answer;
  throw statusError(response, answer, options.now());
}

type Outgoing = { headers: Record<string, string>; secrets: string[] };

async function headersOf(options: HttpOptions, ctx: HandlerContext<HttpPayload>): Promise<Outgoing> {
  const headers: Record<string, string> = { 'user-agent': 'belfry', 'idempotency-key': ctx.idempotencyKey };
  if (ctx.traceparent !== null) headers.traceparent = ctx.traceparent;
  const secrets: string[] = [];
  for (const [name, value] of Object.entries(ctx.payload.headers)) {
    if (typeof value === 'string') {
      headers[name.toLowerCase()] = value;
    } else {
      const secret = await readSecret(options.secretsDir, ctx.tenant, value.secret);
      secrets.push(secret);
      headers[name.toLowerCase()] = secret;
    }
  }
  return { headers, secrets };
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

function statusError(response: Dispatcher.ResponseData, answer: HttpResult, now: number): BelfryError {
  const retryable = RETRYABLE.has(response.statusCode) || response.statusCode >= 500;
  const excerpt = answer.body.slice(0, MAX_EXCERPT_CHARS);
  const message = `The answer was ${response.statusCode}${excerpt === '' ? '' : `: ${excerpt}`}`;
  const error = new BelfryError('http_status', message, { retryable });
  return Object.assign(error, { retryAfterMs: retryAfterMs(response.headers['retry-after'], now) });
}

/** A refusal of ours (`address_denied`, the signal's reason) as it is; all else may be better next time. */
function networkError(cause: unknown): BelfryError {
  for (let inner: unknown = cause; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof BelfryError) return inner;
  }
  return new BelfryError('http_error', `The request failed: ${messageOf(cause)}`, { retryable: true, cause });
}
