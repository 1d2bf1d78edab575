/** Webhooks of the caller's tenant. Whoever changes them decides where outcomes go, and sees secrets: that is for admins. */
import { z } from 'zod';
import { WebhookDesk } from '../../client/webhooks.ts';
import { auditedWebhooks } from '../../core/audited.ts';
import { webhookJson } from '../../core/resources.ts';
import { name, record } from '../../core/spec/fields.ts';
import { WEBHOOK_ID } from '../../core/spec/names.ts';
import { newWebhookSchema, webhookRotationSchema, webhookSchema } from '../../core/spec/webhook-schema.ts';
import type { Api, ApiDeps, Caller } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { answers, newWebhook, webhook, webhookTest } from '../resources.ts';

const tags = ['webhooks'];
const params = record('the path', { id: name(WEBHOOK_ID) });

export function addWebhooks(api: Api, deps: ApiDeps): void {
  const desk = ({ actor }: Caller): WebhookDesk => {
    const webhooks = auditedWebhooks(deps.webhooks, deps.audit, actor);
    return new WebhookDesk({ ...deps, webhooks, key: deps.webhookKey, client: () => deps.client });
  };

  api.get(
    '/api/webhooks',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'listWebhooks', summary: 'Webhooks, without their secrets' },
        response: answers({ 200: z.object({ webhooks: z.array(webhook) }) }),
      },
    },
    async ({ caller }) => ({ webhooks: (await desk(caller).list(caller.tenant)).map(webhookJson) }),
  );

  api.post(
    '/api/webhooks',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'createWebhook', summary: 'Send outcomes of runs to a URL, signed' },
        description:
          'It hears of runs that end 3 seconds later and after. Deliveries follow Standard Webhooks; each is a run of the job `belfry.webhook.ID`.',
        body: newWebhookSchema,
        response: answers({ 201: newWebhook }),
      },
    },
    async ({ caller, body }, reply) => {
      const made = await desk(caller).create(caller.tenant, body);
      reply.code(201).header('location', `/api/webhooks/${made.webhook.id}`);
      return { secret: made.secret, ...webhookJson(made.webhook) };
    },
  );

  api.get(
    '/api/webhooks/:id',
    {
      config: { scope: 'read' },
      schema: {
        ...{ tags, operationId: 'getWebhook', summary: 'One webhook' },
        params,
        response: answers({ 200: webhook }),
      },
    },
    async ({ caller, params: { id } }) => webhookJson(known(await desk(caller).find(caller.tenant, id), id)),
  );

  api.put(
    '/api/webhooks/:id',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'replaceWebhook', summary: 'Set all fields of a webhook; its secret stays' },
        params,
        body: webhookSchema,
        response: answers({ 200: webhook }),
      },
    },
    async ({ caller, params: { id }, body }) =>
      webhookJson(known(await desk(caller).replace(caller.tenant, id, body), id)),
  );

  api.delete(
    '/api/webhooks/:id',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'removeWebhook', summary: 'Remove a webhook; what waits to be delivered is cancelled' },
        params,
        response: answers({ 200: z.object({ id: z.string() }) }),
      },
    },
    async ({ caller, params: { id } }) => {
      if (!(await desk(caller).remove(caller.tenant, id))) known(undefined, id);
      return { id };
    },
  );

  api.post(
    '/api/webhooks/:id/rotate',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'rotateWebhook', summary: 'Another secret; the former one is signed with for a while' },
        params,
        body: webhookRotationSchema,
        response: answers({ 200: newWebhook }),
      },
    },
    async ({ caller, params: { id }, body }) => {
      const rotated = known(await desk(caller).rotate(caller.tenant, id, body), id);
      return { secret: rotated.secret, ...webhookJson(rotated.webhook) };
    },
  );

  api.post(
    '/api/webhooks/:id/test',
    {
      config: { scope: 'run' },
      schema: {
        ...{ tags, operationId: 'testWebhook', summary: 'Send a test; its run tells what became of it' },
        params,
        response: answers({ 200: webhookTest }),
      },
    },
    async ({ caller, params: { id } }) => known(await desk(caller).test(caller.tenant, id), id),
  );
}

function known<T>(found: T | undefined, id: string): T {
  if (found === undefined) throw new RequestError('not_found', `There is no webhook ${id}.`);
  return found;
}
