/** API keys of the caller's tenant. */
import { z } from 'zod';
import { auditedKeys } from '../../core/audited.ts';
import { KEY_BYTES, KEY_PREFIX, makeKey } from '../../core/api-key.ts';
import { SCOPES, type ApiKey, type ApiKeys } from '../../core/ports/api-keys.ts';
import { keyJson } from '../../core/resources.ts';
import { duration, listOf, name, record, word } from '../../core/spec/fields.ts';
import { LABEL_VALUE, type NameRule } from '../../core/spec/names.ts';
import type { Api, ApiDeps, Caller } from '../deps.ts';
import { RequestError } from '../problem.ts';
import { answers, key, newKey } from '../resources.ts';

const tags = ['keys'];
const DAY_MS = 86_400_000;
const PREFIX: NameRule = {
  allowed: 'must be the prefix of a key: 12 hexadecimal digits',
  holds: (text) => KEY_PREFIX.test(text),
};

const keyParams = record('the path', { prefix: name(PREFIX) });
const keyBody = record('a key', {
  name: name(LABEL_VALUE),
  scopes: listOf(word(SCOPES), 'scopes', {
    ...{ min: 1, max: 16, tooFew: 'is empty: the key could do nothing' },
  }).transform((scopes) => [...new Set(scopes)]),
  expiresIn: duration(1_000).optional(),
});
const rotationBody = record('a rotation', { grace: duration().default(DAY_MS) });

export function addKeys(api: Api, deps: ApiDeps, keys: ApiKeys): void {
  const fresh = () => makeKey(deps.secretBytes(KEY_BYTES));
  const audited = ({ actor }: Caller) => auditedKeys(keys, deps.audit, actor);

  /** How long the caller's key will work, ms; null: until it is revoked. */
  async function remainingMs({ actor }: Caller): Promise<number | null> {
    const own = actor.id === null ? undefined : await keys.find(actor.id);
    return own === undefined || own.expiresAt === null ? null : Math.max(1, own.expiresAt - deps.clock.now());
  }

  /** A rotated key has the whole life of the former one before it. */
  async function refuseLongerLife(caller: Caller, former: string): Promise<void> {
    const leftMs = await remainingMs(caller);
    const key = leftMs === null ? undefined : await keys.find(former);
    if (key?.tenant !== caller.tenant) return;
    withinLife(leftMs, key.expiresAt === null ? Infinity : key.expiresAt - key.createdAt);
  }

  api.get(
    '/api/keys',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'listKeys', summary: "The keys of the caller's tenant" },
        response: answers({ 200: z.object({ keys: z.array(key) }) }),
      },
    },
    async (request) => ({ keys: (await keys.list(request.caller.tenant)).map(keyJson) }),
  );

  api.post(
    '/api/keys',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'createKey', summary: "Make a key for the caller's tenant" },
        body: keyBody,
        response: answers({ 201: newKey }),
      },
    },
    async (request, reply) => {
      const { expiresIn, ...fields } = request.body;
      const { text, prefix, hash } = fresh();
      const { tenant } = request.caller;
      const ttlMs = withinLife(await remainingMs(request.caller), expiresIn ?? null);
      const made = await audited(request.caller).create({ ...fields, tenant, prefix, hash, ttlMs });
      reply.code(201);
      return { key: text, ...keyJson(made) };
    },
  );

  api.post(
    '/api/keys/:prefix/rotate',
    {
      config: { scope: 'admin' },
      schema: {
        ...{
          tags,
          operationId: 'rotateKey',
          summary: 'Make a key in the place of another, which works on for a while',
        },
        params: keyParams,
        body: rotationBody,
        response: answers({ 201: newKey }),
      },
    },
    async (request, reply) => {
      const { text, prefix, hash } = fresh();
      await refuseLongerLife(request.caller, request.params.prefix);
      const made = await audited(request.caller).rotate(
        request.params.prefix,
        { prefix, hash },
        request.body.grace,
        request.caller.tenant,
      );
      reply.code(201);
      return { key: text, ...keyJson(known(made, request.params.prefix)) };
    },
  );

  api.delete(
    '/api/keys/:prefix',
    {
      config: { scope: 'admin' },
      schema: {
        ...{ tags, operationId: 'revokeKey', summary: 'End a key, within seconds' },
        params: keyParams,
        response: answers({ 200: key }),
      },
    },
    async (request) => {
      const { prefix } = request.params;
      return keyJson(known(await audited(request.caller).revoke(prefix, request.caller.tenant), prefix));
    },
  );
}

/**
 * How long a key may work that another one makes: no longer than that one itself, else whoever has it for a day has it for good.
 * @throws RequestError `forbidden`
 */
function withinLife(leftMs: number | null, wantedMs: number | null): number | null {
  if (leftMs === null || wantedMs === null) return wantedMs ?? leftMs;
  if (wantedMs <= leftMs) return wantedMs;
  throw new RequestError('forbidden', 'The key would work longer than the one that makes it; use one that lasts.');
}

function known(found: ApiKey | undefined, prefix: string): ApiKey {
  if (found === undefined) throw new RequestError('not_found', `There is no key ${prefix} that works.`);
  return found;
}
