/**
 * Deliveries of webhooks, as Standard Webhooks has them (https://www.standardwebhooks.com): the outcome's id, the time of sending, and a
 * signature of both and the body, with each secret that holds. Url and secrets are read when sending: neither stands on a topic,
 * and a retry goes where the webhook points by then.
 */
import { BelfryError } from '../../core/errors.ts';
import { webhookOfJob } from '../../core/own-names.ts';
import type { Webhooks } from '../../core/ports/webhooks.ts';
import { secretBytesOf, unseal } from '../../core/webhook-secret.ts';
import { signatureOf } from '../../core/webhook.ts';
import type { Handler, HandlerContext } from './handler.ts';
import type { HttpResult } from './http/answer.ts';
import { statusError, type Sender } from './http/sender.ts';

/** The receiver wants no more of it. */
const GONE = 410;

export type WebhookOptions = {
  sender: Sender;
  webhooks: Webhooks;
  /** `BELFRY_WEBHOOK_KEY`. */
  key: Buffer | undefined;
  /** ms since the epoch */
  now: () => number;
};

export function webhookHandler(options: WebhookOptions): Handler {
  return { run: (ctx) => deliver(options, ctx) };
}

async function deliver(options: WebhookOptions, ctx: HandlerContext): Promise<HttpResult> {
  const id = webhookOfJob(ctx.jobId) ?? '';
  const target = await options.webhooks.target(ctx.tenant, id);
  if (target === undefined) throw new BelfryError('webhook_removed', `The webhook ${id} was removed.`);
  if (target.disabled) throw new BelfryError('webhook_disabled', `The webhook ${id} is disabled.`);
  if (ctx.event === null) throw new BelfryError('payload_invalid', 'A delivery is made by an outcome alone.');
  const secrets = target.secrets.map((sealed) => unseal(sealed, { tenant: ctx.tenant, id }, requireKey(options)));
  const keys = secrets.map((secret) => secretBytesOf(secret) ?? Buffer.alloc(0));
  const body = JSON.stringify(ctx.event.payload);
  const seconds = Math.floor(options.now() / 1_000);
  const headers = {
    ...{ 'user-agent': 'belfry', 'content-type': 'application/json', 'idempotency-key': ctx.idempotencyKey },
    ...(ctx.traceparent !== null && { traceparent: ctx.traceparent }),
    'webhook-id': ctx.event.id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatureOf(ctx.event.id, seconds, body, keys),
  };
  const exchange = await options.sender.send(
    { tenant: ctx.tenant, method: 'POST', url: target.url, headers, body, signal: ctx.signal },
    secrets,
  );
  const { status } = exchange.result;
  if (status >= 200 && status < 300) return exchange.result;
  throw statusError(exchange, status !== GONE, options.now());
}

function requireKey({ key }: WebhookOptions): Buffer {
  if (key !== undefined) return key;
  const message =
    'This executor has no BELFRY_WEBHOOK_KEY, so it cannot sign: set it to the key that the API and the CLI have.';
  throw new BelfryError('webhook_key_missing', message, { retryable: true });
}
