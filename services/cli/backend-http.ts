/**
 * The backend on the HTTP API alone. A key belongs to one tenant: that is the one of whoever names none, and another is
 * refused here, where the message can say why.
 */
import { BelfryClient } from '../client/client.ts';
import { HttpApi, type ApiDeps } from '../client/http/api.ts';
import { HttpTransport } from '../client/http/transport.ts';
import type { WebhookBook } from '../client/webhooks.ts';
import type { RejectedCommand, RejectedPage } from '../client/rejected.ts';
import { BelfryError } from '../core/errors.ts';
import { OpenOnce } from '../core/open-once.ts';
import type { Audit } from '../core/ports/audit.ts';
import type { ApiKey } from '../core/ports/api-keys.ts';
import type { Log } from '../core/ports/log.ts';
import { formatInstant } from '../core/spec/instant.ts';
import type { Why } from '../core/why/facts.ts';
import { NO_QUOTAS, type Tenant } from '../core/ports/tenants.ts';
import { keyOf, tenantOf, whyOf } from '../core/read-resources.ts';
import { quotasJson } from '../core/resources.ts';
import { formatDuration } from '../core/spec/duration.ts';
import type { Backend, KeyRing, Rejected, Reader, ShownKey, TenantBook } from './backend.ts';
import { HttpReader } from './http-reader.ts';
import { HttpWebhooks } from './http-webhooks.ts';

/** What the API reads at once. */
const MOST_REJECTED = 1_000;

export class HttpBackend implements Backend {
  private readonly api: HttpApi;
  private readonly commands: BelfryClient;
  private readonly caller: OpenOnce<{ tenant: string }>;

  /** @throws BelfryError `config_invalid` */
  constructor(deps: ApiDeps & { log: Log }) {
    this.api = new HttpApi(deps);
    this.commands = new BelfryClient({ transport: new HttpTransport(deps), ids: deps.ids });
    this.caller = new OpenOnce(() => this.api.ask<{ tenant: string }>('GET', '/api/me'));
  }

  async tenant(): Promise<string> {
    return (await this.caller.get()).tenant;
  }

  client(): BelfryClient {
    return this.commands;
  }

  inspect(): Reader {
    return new HttpReader(this.api, (tenant) => this.check(tenant));
  }

  keys(): KeyRing {
    return {
      create: async ({ tenant, name, scopes, ttlMs }) => {
        await this.check(tenant);
        const expiresIn = ttlMs === null ? {} : { expiresIn: formatDuration(ttlMs) };
        const body = { name, scopes, ...expiresIn };
        return shown(await this.api.ask<Json>('POST', '/api/keys', { body, repeat: false }));
      },
      list: async (tenant) => {
        await this.check(tenant);
        return (await this.api.ask<{ keys: Json[] }>('GET', '/api/keys')).keys.map(keyOf);
      },
      revoke: async (prefix) => {
        const json = await this.api.find<Json>('DELETE', `/api/keys/${prefix}`);
        return json && keyOf(json);
      },
      rotate: async (former, graceMs) => {
        const request = { body: { grace: formatDuration(graceMs) }, repeat: false };
        const json = await this.api.find<Json>('POST', `/api/keys/${former}/rotate`, request);
        return json && shown(json);
      },
    };
  }

  webhooks(): WebhookBook {
    return new HttpWebhooks(this.api, (tenant) => this.check(tenant));
  }

  tenants(): TenantBook {
    const find = async (tenant: string): Promise<Tenant | undefined> => {
      const json = await this.api.find<Json>('GET', `/api/tenants/${tenant}`);
      return json && tenantOf(json);
    };
    return {
      find,
      list: async () => (await this.api.ask<{ tenants: Json[] }>('GET', '/api/tenants')).tenants.map(tenantOf),
      // The API sets all quotas at once. Of two who change some at the same time, the latter wins.
      set: async (tenant, changes) => {
        const body = quotasJson({ ...NO_QUOTAS, ...(await find(tenant)), ...changes });
        return tenantOf(await this.api.ask<Json>('PUT', `/api/tenants/${tenant}`, { body }));
      },
      remove: async (tenant) => (await this.api.find<Json>('DELETE', `/api/tenants/${tenant}`)) !== undefined,
    };
  }

  rejected(): Rejected {
    return {
      list: (limit) =>
        this.api.ask<RejectedPage>('GET', '/api/rejected', { query: { limit: Math.min(limit, MOST_REJECTED) } }),
      find: (place) => this.api.find<RejectedCommand>('GET', `/api/rejected/${place}`),
    };
  }

  audit(): Pick<Audit, 'list'> {
    return new HttpReader(this.api, (tenant) => this.check(tenant)).audit();
  }

  async why(tenant: string, jobId: string, at: number | null): Promise<Why> {
    await this.check(tenant);
    const query = at === null ? {} : { at: formatInstant(at) };
    return whyOf(await this.api.ask('GET', `/api/jobs/${encodeURIComponent(jobId)}/why`, { query }));
  }

  async close(): Promise<void> {
    this.api.close();
    await this.commands.close();
  }

  /** @throws BelfryError `forbidden` for another tenant than the key's */
  private async check(tenant: string | undefined): Promise<void> {
    if (tenant === undefined) return;
    const own = await this.tenant();
    if (tenant === own) return;
    const message = `The API key acts for the tenant ${own} alone: use a key of the tenant ${tenant}, or leave out --tenant.`;
    throw new BelfryError('forbidden', message);
  }
}

type Json = Record<string, unknown>;

function shown({ key: text, ...json }: Json): ShownKey {
  return { text: text as string, key: keyOf(json) satisfies ApiKey };
}
