/** HTTP_REQUEST jobs: one request, its status judged, its answer (capped) the result. */
import { parseHttpPayload, type HttpPayload } from '../../../core/spec/payload-http.ts';
import type { Handler, HandlerContext } from '../handler.ts';
import type { HttpResult } from './answer.ts';
import { statusError, type Sender } from './sender.ts';
import type { Secrets } from './secrets.ts';

/** What a job was accepted with stays accepted; limits of acceptance are the timer's business. */
const ACCEPTED = { allowInlineSecrets: true, topicPrefix: '', allowTopics: null };
const RETRYABLE = new Set([408, 425, 429]);

export type HttpOptions = {
  sender: Sender;
  secrets: Secrets;
  /** ms since the epoch */
  now: () => number;
};

export function httpRequestHandler(options: HttpOptions): Handler {
  return {
    validate: (payload) => {
      const parsed = parseHttpPayload(payload, ACCEPTED);
      return 'rejection' in parsed ? { ok: false, message: parsed.rejection.message } : { ok: true, value: parsed };
    },
    run: (ctx) => send(options, ctx as HandlerContext<HttpPayload>),
  };
}

async function send(options: HttpOptions, ctx: HandlerContext<HttpPayload>): Promise<HttpResult> {
  const { method, url, body, expectStatus } = ctx.payload;
  const { headers, secrets } = await headersOf(options, ctx);
  const content = bodyOf(body, headers);
  const { signal, tenant } = ctx;
  const exchange = await options.sender.send({ tenant, method, url, headers, body: content, signal }, secrets);
  const { status } = exchange.result;
  if (expectStatus.some((expected) => matches(status, expected))) return exchange.result;
  throw statusError(exchange, RETRYABLE.has(status) || status >= 500, options.now());
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
      const secret = await options.secrets.read(ctx.tenant, value.secret, ctx.payload.url);
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
