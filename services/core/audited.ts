/** Quotas, API keys and webhooks whose changes are told to the audit log: right after the change, since each is a statement of its own. */
import type { Actor, AuditAction } from './audit.ts';
import { fieldChanges } from './field-changes.ts';
import type { ApiKey, ApiKeys } from './ports/api-keys.ts';
import type { Audit } from './ports/audit.ts';
import { NO_QUOTAS, type Quotas, type Tenants } from './ports/tenants.ts';
import type { Webhook, Webhooks } from './ports/webhooks.ts';

export type ChangesOfKeys = Pick<ApiKeys, 'create' | 'rotate' | 'revoke'>;

export function auditedTenants(tenants: Tenants, audit: Audit, actor: Actor): Tenants {
  const tell = async (action: AuditAction, tenant: string, before: Quotas, after: Quotas): Promise<void> => {
    const changes = fieldChanges(quotasIn(before), quotasIn(after));
    if (changes.length > 0) await audit.record({ ...NOTHING, tenant, action, actor, changes });
  };
  return {
    list: () => tenants.list(),
    find: (tenant) => tenants.find(tenant),
    countJobs: (names) => tenants.countJobs(names),
    forgetHistory: () => tenants.forgetHistory(),
    set: async (tenant, wanted) => {
      const before = await tenants.find(tenant);
      const after = await tenants.set(tenant, wanted);
      await tell('tenant.set', tenant, before ?? NO_QUOTAS, after);
      return after;
    },
    remove: async (tenant) => {
      const before = await tenants.find(tenant);
      const isDone = await tenants.remove(tenant);
      if (isDone) await tell('tenant.remove', tenant, before ?? NO_QUOTAS, NO_QUOTAS);
      return isDone;
    },
  };
}

export function auditedKeys(keys: ApiKeys, audit: Audit, actor: Actor): ChangesOfKeys {
  const tell = async (action: AuditAction, key: ApiKey | undefined, more: object = {}): Promise<void> => {
    if (key === undefined) return;
    const { tenant, prefix, name, scopes, expiresAt } = key;
    const changes = fieldChanges({}, { prefix, name, scopes, expiresAt, ...more });
    await audit.record({ ...NOTHING, tenant, action, actor, changes });
  };
  return {
    create: async (wanted) => {
      const key = await keys.create(wanted);
      await tell('key.create', key);
      return key;
    },
    rotate: async (former, ...rest) => {
      const key = await keys.rotate(former, ...rest);
      await tell('key.rotate', key, { former });
      return key;
    },
    revoke: async (...asked) => {
      const key = await keys.revoke(...asked);
      await tell('key.revoke', key);
      return key;
    },
  };
}

export function auditedWebhooks(webhooks: Webhooks, audit: Audit, actor: Actor): Webhooks {
  type Told = Pick<Webhook, 'tenant' | 'id'>;
  const tell = async (action: AuditAction, { tenant, id }: Told, before: object, after: object): Promise<void> => {
    const changes = fieldChanges(before, { ...after, id });
    await audit.record({ ...NOTHING, tenant, action, actor, changes });
  };
  return {
    list: (tenant) => webhooks.list(tenant),
    find: (tenant, id) => webhooks.find(tenant, id),
    listening: () => webhooks.listening(),
    target: (tenant, id) => webhooks.target(tenant, id),
    create: async (wanted, most) => {
      const made = await webhooks.create(wanted, most);
      if (made !== undefined) await tell('webhook.create', made, {}, fieldsOf(made));
      return made;
    },
    replace: async (tenant, id, fields) => {
      const before = await webhooks.find(tenant, id);
      const after = await webhooks.replace(tenant, id, fields);
      if (after !== undefined)
        await tell('webhook.set', after, before === undefined ? {} : fieldsOf(before), fieldsOf(after));
      return after;
    },
    rotate: async (tenant, id, ...rest) => {
      const rotated = await webhooks.rotate(tenant, id, ...rest);
      if (rotated !== undefined) await tell('webhook.rotate', rotated, {}, {});
      return rotated;
    },
    remove: async (tenant, id) => {
      const before = await webhooks.find(tenant, id);
      const isDone = await webhooks.remove(tenant, id);
      if (isDone) await tell('webhook.remove', { tenant, id }, before === undefined ? {} : fieldsOf(before), {});
      return isDone;
    },
  };
}

const NOTHING = { jobId: null, commandId: null, version: null };

function quotasIn(quotas: Quotas): Record<string, unknown> {
  return Object.fromEntries(Object.keys(NO_QUOTAS).map((name) => [name, quotas[name as keyof Quotas]]));
}

/** No secret is among them. */
function fieldsOf({ url, statuses, jobs, handlers, labels, disabled }: Webhook): object {
  return { url, statuses, jobs, handlers, labels, disabled };
}
