/** Webhooks as the HTTP API tells them. */
import type { HttpApi } from '../client/http/api.ts';
import type { NewWebhookFields, ShownWebhook, WebhookBook, WebhookTest } from '../client/webhooks.ts';
import type { Webhook, WebhookFields } from '../core/ports/webhooks.ts';
import { webhookOf } from '../core/read-resources.ts';
import { formatDuration } from '../core/spec/duration.ts';
import type { WebhookRotation } from '../core/spec/webhook-schema.ts';

type Json = Readonly<Record<string, unknown>>;

export class HttpWebhooks implements WebhookBook {
  private readonly api: HttpApi;
  private readonly check: (tenant: string) => Promise<void>;

  /** @param check throws when the key does not act for this tenant */
  constructor(api: HttpApi, check: (tenant: string) => Promise<void>) {
    this.api = api;
    this.check = check;
  }

  async list(tenant: string): Promise<Webhook[]> {
    await this.check(tenant);
    return (await this.api.ask<{ webhooks: Json[] }>('GET', '/api/webhooks')).webhooks.map(webhookOf);
  }

  async find(tenant: string, id: string): Promise<Webhook | undefined> {
    await this.check(tenant);
    const json = await this.api.find<Json>('GET', pathOf(id));
    return json && webhookOf(json);
  }

  async create(tenant: string, wanted: NewWebhookFields): Promise<ShownWebhook> {
    await this.check(tenant);
    return shown(await this.api.ask<Json>('POST', '/api/webhooks', { body: wanted, repeat: false }));
  }

  async replace(tenant: string, id: string, body: WebhookFields): Promise<Webhook | undefined> {
    await this.check(tenant);
    const json = await this.api.find<Json>('PUT', pathOf(id), { body });
    return json && webhookOf(json);
  }

  async rotate(tenant: string, id: string, { secret, grace }: WebhookRotation): Promise<ShownWebhook | undefined> {
    await this.check(tenant);
    const body = { ...(secret !== undefined && { secret }), grace: formatDuration(grace) };
    const json = await this.api.find<Json>('POST', `${pathOf(id)}/rotate`, { body, repeat: false });
    return json && shown(json);
  }

  async remove(tenant: string, id: string): Promise<boolean> {
    await this.check(tenant);
    return (await this.api.find<Json>('DELETE', pathOf(id))) !== undefined;
  }

  async test(tenant: string, id: string): Promise<WebhookTest | undefined> {
    await this.check(tenant);
    return this.api.find<WebhookTest>('POST', `${pathOf(id)}/test`, { repeat: false });
  }
}

function pathOf(id: string): string {
  return `/api/webhooks/${encodeURIComponent(id)}`;
}

function shown({ secret, ...json }: Json): ShownWebhook {
  return { secret: secret as string, webhook: webhookOf(json) };
}
