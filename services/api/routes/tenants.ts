/**
 * Quotas of tenants, for whoever runs the deployment: keys of the tenant `default` with the scope admin. A key of another
 * tenant sees its own alone: it must not raise them.
 */
import { z } from 'zod';
import { auditedTenants } from '../../core/audited.ts';
import { NO_QUOTAS, type Tenant } from '../../core/ports/tenants.ts';
import { tenantJson } from '../../core/resources.ts';
import { name, record } from '../../core/spec/fields.ts';
import { TENANT } from '../../core/spec/names.ts';
import { quotasOf, quotasSchema } from '../../core/spec/quotas.ts';
import { queueExists } from '../../core/topics.ts';
import type { Api, ApiDeps, Caller } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { answers, tenant } from '../resources.ts';

const tags = ['tenants'];
const OPERATOR = 'default';
const tenantParams = record('the path', { tenant: name(TENANT) });

export function addTenants(api: Api, { tenants, broker, topics, audit }: ApiDeps): void {
  const audited = ({ actor }: Caller) => auditedTenants(tenants, audit, actor);

  api.get(
    '/api/tenants',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'listTenants', summary: 'Tenants with quotas' },
        response: answers({ 200: z.object({ tenants: z.array(tenant) }) }),
      },
    },
    async ({ caller }) => {
      const all = await tenants.list();
      return { tenants: all.filter((each) => maySee(caller, each.tenant)).map(tenantJson) };
    },
  );

  api.get(
    '/api/tenants/:tenant',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'getTenant', summary: 'The quotas of a tenant' },
        params: tenantParams,
        response: answers({ 200: tenant }),
      },
    },
    async ({ caller, params }) => {
      const found = maySee(caller, params.tenant) ? await tenants.find(params.tenant) : undefined;
      return tenantJson(known(found, params.tenant));
    },
  );

  api.put(
    '/api/tenants/:tenant',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'setTenant', summary: 'Set the quotas of a tenant: what is absent, it has not' },
        params: tenantParams,
        body: quotasSchema,
        response: answers({ 200: tenant }),
      },
    },
    async ({ caller, params, body }) => {
      onlyOperator(caller);
      const changes = quotasOf(body);
      if (typeof changes.queue === 'string' && !(await queueExists(broker, topics, changes.queue)))
        throw new RequestError('not_found', noSuchQueue(changes.queue), [
          { pointer: '#/queue', detail: 'names no queue' },
        ]);
      return tenantJson(await audited(caller).set(params.tenant, { ...NO_QUOTAS, ...changes }));
    },
  );

  api.delete(
    '/api/tenants/:tenant',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'removeTenant', summary: 'Take all quotas of a tenant away; its jobs stay' },
        params: tenantParams,
        response: answers({ 200: z.object({ tenant: z.string() }) }),
      },
    },
    async ({ caller, params }) => {
      onlyOperator(caller);
      if (!(await audited(caller).remove(params.tenant))) known(undefined, params.tenant);
      return { tenant: params.tenant };
    },
  );
}

function maySee(caller: Caller, name: string): boolean {
  return caller.tenant === OPERATOR || caller.tenant === name;
}

function onlyOperator({ tenant: own }: Caller): void {
  if (own === OPERATOR) return;
  throw new RequestError('forbidden', `Quotas are changed with an admin key of the tenant ${OPERATOR}.`);
}

function known(found: Tenant | undefined, name: string): Tenant {
  if (found === undefined) throw new RequestError('not_found', `The tenant ${name} has no quotas.`);
  return found;
}

function noSuchQueue(queue: string): string {
  return `There is no queue ${queue}: create it with "belfry migrate --queue ${queue}".`;
}
