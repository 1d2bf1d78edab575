/** Webhooks of tenants in PostgreSQL. */
import type { ListeningWebhook, Webhook, WebhookFields, Webhooks, WebhookTarget } from '../../core/ports/webhooks.ts';
import type { Pg } from './pool.ts';

const FIELDS = `tenant, id, url, statuses, jobs, handlers, labels, disabled, created_at AS "createdAt", updated_at AS "updatedAt"`;

const LIST = { name: 'webhook_list', text: `SELECT ${FIELDS} FROM webhooks WHERE tenant = $1 ORDER BY id` };
const FIND = { name: 'webhook_find', text: `SELECT ${FIELDS} FROM webhooks WHERE tenant = $1 AND id = $2` };
const CREATE = {
  name: 'webhook_create',
  text: `INSERT INTO webhooks (tenant, id, url, statuses, jobs, handlers, labels, disabled, secret, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, now, now FROM now_ms() now
         WHERE (SELECT count(*) FROM webhooks WHERE tenant = $1) < $10
         ON CONFLICT (tenant, id) DO NOTHING RETURNING ${FIELDS}`,
};
const REPLACE = {
  name: 'webhook_replace',
  text: `UPDATE webhooks SET url = $3, statuses = $4, jobs = $5, handlers = $6, labels = $7, disabled = $8, updated_at = now_ms()
         WHERE tenant = $1 AND id = $2 RETURNING ${FIELDS}`,
};
const ROTATE = {
  name: 'webhook_rotate',
  text: `UPDATE webhooks SET former_secret = secret, former_until = now_ms() + $4::bigint, secret = $3, updated_at = now_ms()
         WHERE tenant = $1 AND id = $2 RETURNING ${FIELDS}`,
};
const REMOVE = { name: 'webhook_remove', text: 'DELETE FROM webhooks WHERE tenant = $1 AND id = $2 RETURNING id' };
const LISTENING = {
  name: 'webhook_listening',
  text: 'SELECT tenant, id, statuses, jobs, handlers, labels FROM webhooks WHERE NOT disabled',
};
const TARGET = {
  name: 'webhook_target',
  text: `SELECT url, disabled,
           CASE WHEN former_until > now_ms() THEN ARRAY[secret, former_secret] ELSE ARRAY[secret] END AS secrets
         FROM webhooks WHERE tenant = $1 AND id = $2`,
};

export class PostgresWebhooks implements Webhooks {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  list(tenant: string): Promise<Webhook[]> {
    return this.pg.query<Webhook>(LIST, [tenant]);
  }

  async find(tenant: string, id: string): Promise<Webhook | undefined> {
    return (await this.pg.query<Webhook>(FIND, [tenant, id]))[0];
  }

  async create(
    webhook: WebhookFields & { tenant: string; id: string; secret: string },
    most: number,
  ): Promise<Webhook | undefined> {
    const { tenant, id, secret } = webhook;
    return (await this.pg.query<Webhook>(CREATE, [tenant, id, ...valuesOf(webhook), secret, most]))[0];
  }

  async replace(tenant: string, id: string, fields: WebhookFields): Promise<Webhook | undefined> {
    return (await this.pg.query<Webhook>(REPLACE, [tenant, id, ...valuesOf(fields)]))[0];
  }

  async rotate(tenant: string, id: string, secret: string, graceMs: number): Promise<Webhook | undefined> {
    return (await this.pg.query<Webhook>(ROTATE, [tenant, id, secret, graceMs]))[0];
  }

  async remove(tenant: string, id: string): Promise<boolean> {
    return (await this.pg.query(REMOVE, [tenant, id])).length > 0;
  }

  listening(): Promise<ListeningWebhook[]> {
    return this.pg.query<ListeningWebhook>(LISTENING);
  }

  async target(tenant: string, id: string): Promise<WebhookTarget | undefined> {
    return (await this.pg.query<WebhookTarget>(TARGET, [tenant, id]))[0];
  }
}

function valuesOf({ url, statuses, jobs, handlers, labels, disabled }: WebhookFields): unknown[] {
  return [url, statuses, jobs, handlers, JSON.stringify(labels), disabled];
}
