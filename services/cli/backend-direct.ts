/** The backend on Kafka and PostgreSQL themselves, by the ports of the core. */
import type { BelfryClient } from '../client/client.ts';
import { findRejected, listRejected, readRejected, type RejectedDeps } from '../client/rejected.ts';
import { explain } from '../client/why.ts';
import { WebhookDesk } from '../client/webhooks.ts';
import { KEY_BYTES, makeKey } from '../core/api-key.ts';
import type { ApiKeys } from '../core/ports/api-keys.ts';
import type { Actor } from '../core/audit.ts';
import { auditedKeys, auditedTenants, auditedWebhooks } from '../core/audited.ts';
import type { Audit } from '../core/ports/audit.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock, Ids } from '../core/ports/clock.ts';
import type { Webhooks } from '../core/ports/webhooks.ts';
import type { Inspect } from '../core/ports/inspect.ts';
import { queueExists, type Topics } from '../core/topics.ts';
import type { Rejections } from '../core/ports/rejections.ts';
import type { Tenants } from '../core/ports/tenants.ts';
import type { Backend, KeyRing, Rejected, TenantBook } from './backend.ts';
import { notFound } from './exit.ts';

/** Each is connected when it is first asked for. */
export type DirectParts = {
  client: () => BelfryClient;
  store: () => Inspect;
  apiKeys: () => ApiKeys;
  broker: () => Broker;
  webhooks: () => Webhooks;
  tenants: () => Tenants;
  /** `BELFRY_WEBHOOK_KEY`. */
  webhookKey: () => Buffer | undefined;
  clock: Clock;
  topics: () => Topics;
  ids: Ids;
  audit: () => Audit;
  rejections: () => Rejections;
  actor: Actor;
  /** What nobody can guess. */
  secretBytes: (count: number) => Buffer;
};

export function directBackend(parts: DirectParts): Backend {
  return {
    tenant: async () => 'default',
    client: () => parts.client(),
    inspect: () => parts.store(),
    keys: () => keyRing(parts),
    rejected: () => rejectedOn(parts),
    audit: () => parts.audit(),
    why: (tenant, jobId, at) => {
      const { clock, topics } = parts;
      const deps = { inspect: parts.store(), clock, commandsTopic: topics().commands, rejections: parts.rejections() };
      return explain(deps, { tenant, jobId }, at);
    },
    tenants: () => tenantBook(parts),
    webhooks: () => {
      const webhooks = auditedWebhooks(parts.webhooks(), parts.audit(), parts.actor);
      return new WebhookDesk({ ...parts, webhooks, key: parts.webhookKey() });
    },
  };
}

function keyRing({ apiKeys, secretBytes, audit, actor }: DirectParts): KeyRing {
  const audited = () => auditedKeys(apiKeys(), audit(), actor);
  return {
    create: async (wanted) => {
      const { text, ...made } = makeKey(secretBytes(KEY_BYTES));
      return { text, key: await audited().create({ ...wanted, ...made }) };
    },
    list: (tenant) => apiKeys().list(tenant),
    revoke: (prefix) => audited().revoke(prefix),
    rotate: async (former, graceMs) => {
      const { text, ...made } = makeKey(secretBytes(KEY_BYTES));
      const key = await audited().rotate(former, made, graceMs);
      return key && { text, key };
    },
  };
}

function tenantBook({ tenants, broker, topics, audit, actor }: DirectParts): TenantBook {
  const audited = () => auditedTenants(tenants(), audit(), actor);
  return {
    list: () => tenants().list(),
    find: (tenant) => tenants().find(tenant),
    remove: (tenant) => audited().remove(tenant),
    set: async (tenant, changes) => {
      const { queue = null } = changes;
      if (queue !== null && !(await queueExists(broker(), topics(), queue)))
        throw notFound(`There is no queue ${queue}: create it with belfry migrate --queue ${queue}.`);
      return audited().set(tenant, changes);
    },
  };
}

function rejectedOn(parts: DirectParts): Rejected {
  const index = () => ({ rejections: parts.rejections(), topics: parts.topics() });
  return {
    list: (limit) => listRejected(index(), {}, limit),
    find: async (place) => {
      const found = await findRejected(index(), place);
      return found && readRejected(bytesOf(parts), found);
    },
  };
}

function bytesOf({ clock, broker, rejections, topics }: DirectParts): RejectedDeps {
  return { clock, broker, rejections: rejections(), topics: topics() };
}
