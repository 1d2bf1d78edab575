/** Webhooks of tenants in memory; see core/ports/webhooks.ts. */
import type { ListeningWebhook, Webhook, WebhookFields, Webhooks, WebhookTarget } from '../../core/ports/webhooks.ts';
import type { MemoryDatabase, WebhookEntry } from './database.ts';

export class MemoryWebhooks implements Webhooks {
  private readonly db: MemoryDatabase;

  constructor(db: MemoryDatabase) {
    this.db = db;
  }

  async list(tenant: string): Promise<Webhook[]> {
    return this.of(tenant).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async find(tenant: string, id: string): Promise<Webhook | undefined> {
    return this.entry(tenant, id)?.webhook;
  }

  async create(
    { secret, ...webhook }: WebhookFields & { tenant: string; id: string; secret: string },
    most: number,
  ): Promise<Webhook | undefined> {
    const { tenant, id } = webhook;
    if (this.entry(tenant, id) !== undefined || this.of(tenant).length >= most) return undefined;
    const now = this.db.now();
    return this.put({ webhook: { ...webhook, createdAt: now, updatedAt: now }, secret, former: null });
  }

  async replace(tenant: string, id: string, fields: WebhookFields): Promise<Webhook | undefined> {
    const entry = this.entry(tenant, id);
    return entry && this.put({ ...entry, webhook: { ...entry.webhook, ...fields, updatedAt: this.db.now() } });
  }

  async rotate(tenant: string, id: string, secret: string, graceMs: number): Promise<Webhook | undefined> {
    const entry = this.entry(tenant, id);
    const now = this.db.now();
    if (entry === undefined) return undefined;
    const former = { secret: entry.secret, until: now + graceMs };
    return this.put({ webhook: { ...entry.webhook, updatedAt: now }, secret, former });
  }

  async remove(tenant: string, id: string): Promise<boolean> {
    return this.db.webhooks.delete(keyOf(tenant, id));
  }

  async listening(): Promise<ListeningWebhook[]> {
    const all = [...this.db.webhooks.values()].map(({ webhook }) => webhook).filter(({ disabled }) => !disabled);
    return all.map(({ tenant, id, statuses, jobs, handlers, labels }) => ({
      ...{ tenant, id, statuses, jobs, handlers, labels },
    }));
  }

  async target(tenant: string, id: string): Promise<WebhookTarget | undefined> {
    const entry = this.entry(tenant, id);
    if (entry === undefined) return undefined;
    const { webhook, secret, former } = entry;
    const isHeld = former !== null && former.until > this.db.now();
    return { url: webhook.url, disabled: webhook.disabled, secrets: isHeld ? [secret, former.secret] : [secret] };
  }

  private of(tenant: string): Webhook[] {
    return [...this.db.webhooks.values()].map(({ webhook }) => webhook).filter((each) => each.tenant === tenant);
  }

  private entry(tenant: string, id: string): WebhookEntry | undefined {
    return this.db.webhooks.get(keyOf(tenant, id));
  }

  private put(entry: WebhookEntry): Webhook {
    this.db.webhooks.set(keyOf(entry.webhook.tenant, entry.webhook.id), entry);
    return entry.webhook;
  }
}

function keyOf(tenant: string, id: string): string {
  return `${tenant}/${id}`;
}
