/** Quotas and API keys whose changes are told to the audit log: right after the change, since each is a statement of its own. */
import type { Actor, AuditAction } from './audit.ts';
import { fieldChanges } from './field-changes.ts';
import type { ApiKey, ApiKeys } from './ports/api-keys.ts';
import type { Audit } from './ports/audit.ts';
import { NO_QUOTAS, type Quotas, type Tenants } from './ports/tenants.ts';

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

const NOTHING = { jobId: null, commandId: null, version: null };

function quotasIn(quotas: Quotas): Record<string, unknown> {
  return Object.fromEntries(Object.keys(NO_QUOTAS).map((name) => [name, quotas[name as keyof Quotas]]));
}
