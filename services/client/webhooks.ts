/**
 * What people do with webhooks, for the API and the CLI beside the servers: makes and seals secrets, and keeps the job that delivers in
 * step. (The client has none of it: a webhook needs the database or the API, and is set up once, by people.)
 */
import { BelfryError } from '../core/errors.ts';
import { webhookJobId } from '../core/own-names.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Webhook, WebhookFields, Webhooks } from '../core/ports/webhooks.ts';
import type { newWebhookSchema, WebhookRotation } from '../core/spec/webhook-schema.ts';
import { makeSecret, seal, SEAL_NONCE_BYTES, SECRET_BYTES } from '../core/webhook-secret.ts';
import { bodyOf, deliveryRunId } from '../core/webhook.ts';
import type { z } from 'zod';
import type { BelfryClient } from './client.ts';

/** Each makes a command of every outcome that it hears. */
export const MOST_WEBHOOKS = 20;
const TEST_TYPE = 'belfry.webhook.test.v1';
const ANSWER_MS = 2_000;

/** A webhook, and its secret, which is shown once. */
export type ShownWebhook = { secret: string; webhook: Webhook };
/** A test under way: the run that delivers it. */
export type WebhookTest = { eventId: string; runId: string; jobId: string };
export type NewWebhookFields = z.output<typeof newWebhookSchema>;

/** Beside the servers, or over the API. */
export interface WebhookBook {
  list(tenant: string): Promise<Webhook[]>;
  find(tenant: string, id: string): Promise<Webhook | undefined>;
  /** @throws BelfryError `conflict`, `quota`, `webhook_key_missing` */
  create(tenant: string, wanted: NewWebhookFields): Promise<ShownWebhook>;
  /** Sets all fields. @returns undefined when there is no such one, as the others do */
  replace(tenant: string, id: string, fields: WebhookFields): Promise<Webhook | undefined>;
  /** @throws BelfryError `webhook_key_missing` */
  rotate(tenant: string, id: string, rotation: WebhookRotation): Promise<ShownWebhook | undefined>;
  /** What waits to be delivered ends CANCELLED. @returns whether there was one */
  remove(tenant: string, id: string): Promise<boolean>;
  /** Sends something that says it is a test. @throws BelfryError as `BelfryClient.send` */
  test(tenant: string, id: string): Promise<WebhookTest | undefined>;
}

export type DeskDeps = {
  webhooks: Webhooks;
  client: () => BelfryClient;
  /** `BELFRY_WEBHOOK_KEY`. */
  key: Buffer | undefined;
  /** What nobody can guess. */
  secretBytes: (count: number) => Buffer;
  clock: Clock;
  ids: Ids;
};

export class WebhookDesk implements WebhookBook {
  private readonly deps: DeskDeps;

  constructor(deps: DeskDeps) {
    this.deps = deps;
  }

  list(tenant: string): Promise<Webhook[]> {
    return this.deps.webhooks.list(tenant);
  }

  find(tenant: string, id: string): Promise<Webhook | undefined> {
    return this.deps.webhooks.find(tenant, id);
  }

  async create(tenant: string, { id: wantedId, secret: own, ...fields }: NewWebhookFields): Promise<ShownWebhook> {
    const { webhooks, secretBytes } = this.deps;
    const id = wantedId ?? `wh-${secretBytes(6).toString('hex')}`;
    const { secret, sealed } = this.sealed({ tenant, id }, own);
    const webhook = await webhooks.create({ tenant, id, ...fields, secret: sealed }, MOST_WEBHOOKS);
    if (webhook !== undefined) return { secret, webhook };
    if ((await webhooks.find(tenant, id)) !== undefined)
      throw new BelfryError('conflict', `The webhook ${id} exists already.`, { field: 'id' });
    throw new BelfryError('quota', `The tenant ${tenant} has ${MOST_WEBHOOKS} webhooks, the most that one may have.`);
  }

  replace(tenant: string, id: string, fields: WebhookFields): Promise<Webhook | undefined> {
    return this.deps.webhooks.replace(tenant, id, fields);
  }

  async rotate(tenant: string, id: string, rotation: WebhookRotation): Promise<ShownWebhook | undefined> {
    const { secret, sealed } = this.sealed({ tenant, id }, rotation.secret);
    const webhook = await this.deps.webhooks.rotate(tenant, id, sealed, rotation.grace);
    return webhook && { secret, webhook };
  }

  async remove(tenant: string, id: string): Promise<boolean> {
    if (!(await this.deps.webhooks.remove(tenant, id))) return false;
    // Its deliveries find no webhook any more, whatever becomes of this command: it only saves them the way, and most had none.
    await this.deps
      .client()
      .send({ type: 'retire', commandId: this.deps.ids.uuid(), tenant, jobId: webhookJobId(id) }, ANSWER_MS)
      .catch(() => undefined);
    return true;
  }

  async test(tenant: string, id: string): Promise<WebhookTest | undefined> {
    const { client, clock, ids } = this.deps;
    if ((await this.find(tenant, id)) === undefined) return undefined;
    const at = Math.floor(clock.now());
    const jobId = webhookJobId(id);
    const eventId = `test:${ids.uuid()}`;
    const command = { type: 'notify', commandId: eventId, tenant, jobId, at };
    const sent = { ...command, body: bodyOf(TEST_TYPE, at, { tenant, webhook: id }) };
    await client().send(sent, ANSWER_MS);
    return { eventId, jobId, runId: deliveryRunId(command) };
  }

  private sealed(owner: { tenant: string; id: string }, own: string | undefined): { secret: string; sealed: string } {
    const { key, secretBytes } = this.deps;
    if (key === undefined) {
      const message =
        'There is no BELFRY_WEBHOOK_KEY to seal the secret with: set it, the same for the API, the executors and the CLI (openssl rand -base64 32).';
      throw new BelfryError('webhook_key_missing', message);
    }
    const secret = own ?? makeSecret(secretBytes(SECRET_BYTES));
    return { secret, sealed: seal(secret, owner, key, secretBytes(SEAL_NONCE_BYTES)) };
  }
}
