/**
 * Who makes a request, and whether they may.
 *
 * A route is closed unless it says who may use it. A key is looked up once in a while: one that is revoked works for KNOWN_MS at
 * the most. Its use is noted once a minute. Wrong keys are answered alike, whatever is wrong with them.
 *
 * Invariant: a key is judged before anything is counted, and failures alone count against an address or a key's prefix: so
 * nobody who tries wrong keys can lock out one that is right, not even from the same address.
 */
import rateLimit from '@fastify/rate-limit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { isUsable, readKey } from '../core/api-key.ts';
import { messageOf } from '../core/errors.ts';
import { SCOPES, type ApiKeys, type Scope, type StoredKey } from '../core/ports/api-keys.ts';
import type { Api, ApiDeps, Caller } from './deps.ts';
import type { BelfryClient } from '../client/client.ts';
import { networkOf } from './network.ts';
import { RequestError } from './problem.ts';

const KNOWN_MS = 5_000;
const NOTED_MS = 60_000;
const KEYS_KNOWN = 10_000;
const WRONG_KEYS_A_MINUTE = 60;

const EVERYTHING: Caller = {
  tenant: 'default',
  scopes: SCOPES,
  actor: { kind: 'key', id: null, name: 'BELFRY_AUTH=off' },
};

/** Adds the checks to every route. @throws Error for one that does not say who may use it */
export async function addAuth(api: Api, deps: ApiDeps): Promise<void> {
  await api.register(rateLimit, { global: false });
  const wrong = { max: WRONG_KEYS_A_MINUTE, timeWindow: 60_000 };
  const ofAddress = api.createRateLimit({ ...wrong, keyGenerator: ({ ip }) => `address ${networkOf(ip)}` });
  const ofPrefix = api.createRateLimit({
    ...wrong,
    keyGenerator: (request) => `prefix ${prefixOf(request) ?? networkOf(request.ip)}`,
  });
  const ofKey = api.createRateLimit({
    max: deps.requestsPerSecond,
    timeWindow: 1_000,
    keyGenerator: (request) => `key ${prefixOf(request) ?? ''}`,
  });
  const callerOf = deps.keys === null ? () => Promise.resolve(EVERYTHING) : keyHolders(deps, deps.keys);
  api.decorateRequest('caller', undefined as unknown as Caller);
  api.addHook('onRoute', (route) => {
    const { method, url, config, schema } = route;
    const scope = config?.scope;
    if (scope === undefined) throw new Error(`The route ${String(method)} ${url} does not say who may use it.`);
    // The document tells the scopes, one of which a key needs, as roles of the scheme `key`.
    const security = scope === 'public' ? [] : [scope].flat().map((each) => ({ key: [each] }));
    if (deps.keys !== null) route.schema = { ...schema, security };
  });
  api.addHook('onRequest', async (request, reply) => {
    const { scope = 'public' } = request.routeOptions.config; // what is no route at all has none
    if (deps.keys === null) refuseOtherSites(request);
    if (scope === 'public') return;
    const caller = await callerOf(request);
    if (caller === undefined) {
      for (const limit of [ofAddress, ofPrefix]) refuseWhen(await limit(request), reply);
      reply.header('www-authenticate', 'Bearer realm="belfry"');
      throw new RequestError('unauthorized', 'Send a valid key: Authorization: Bearer bfy_…', [
        { header: 'Authorization', detail: 'holds no valid key' },
      ]);
    }
    refuseWhen(await ofKey(request), reply);
    if (![scope].flat().some((each) => permits(caller, each))) throw notPermitted(caller, [scope].flat().join(' or '));
    request.caller = caller;
  });
}

export function permits({ scopes }: Caller, scope: Scope): boolean {
  return scopes.includes(scope) || scopes.includes('admin');
}

/** A client that acts for the caller, with what the caller may do. */
export function clientFor({ client }: Pick<ApiDeps, 'client'>, caller: Caller): BelfryClient {
  return client.actingFor(caller.actor, !permits(caller, 'write'));
}

export function notPermitted({ scopes }: Caller, needed: string): RequestError {
  return new RequestError('forbidden', `This needs a key with the scope ${needed}; this one has ${scopes.join(', ')}.`);
}

type Limit = { isAllowed: true } | { isAllowed: false; isExceeded: boolean; ttlInSeconds: number };

function refuseWhen(limit: Limit, reply: FastifyReply): void {
  if (limit.isAllowed || !limit.isExceeded) return;
  reply.header('retry-after', String(Math.max(1, limit.ttlInSeconds)));
  throw new RequestError('rate_limited', 'Too many requests; see Retry-After.');
}

function keyHolders(deps: ApiDeps, keys: ApiKeys): (request: FastifyRequest) => Promise<Caller | undefined> {
  const known = new LRUCache<string, StoredKey>({ max: KEYS_KNOWN, ttl: KNOWN_MS });
  const noted = new LRUCache<string, true>({ max: KEYS_KNOWN, ttl: NOTED_MS });
  const note = (prefix: string): void => {
    if (noted.has(prefix)) return;
    noted.set(prefix, true);
    keys
      .used([prefix])
      .catch((error: unknown) => deps.log.warn({ reason: messageOf(error) }, 'the use of a key was not noted'));
  };
  return async (request) => {
    const written = readKey(bearerOf(request) ?? '');
    if (written === undefined) return undefined;
    const { prefix } = written;
    const stored = known.get(prefix) ?? (await keys.find(prefix));
    if (stored === undefined || !written.isOf(stored)) return undefined;
    known.set(prefix, stored, { noUpdateTTL: true });
    if (!isUsable(stored, deps.clock.now())) return undefined;
    note(prefix);
    const { tenant, scopes, name } = stored;
    return { tenant, scopes, actor: { kind: 'key', id: prefix, name } };
  };
}

/**
 * Without keys the browser of whoever sits at this machine must not be lent to other sites: neither by their requests, nor by a
 * name of theirs that leads here.
 */
function refuseOtherSites({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  const { origin } = headers;
  const foreign =
    (site !== undefined && site !== 'same-origin' && site !== 'none') ||
    // Of browsers that say no more than this.
    (origin !== undefined && URL.parse(origin)?.host !== headers.host);
  // As the browser wrote it, whatever a proxy says.
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  if (!foreign && ['localhost', '127.0.0.1', '[::1]'].includes(host)) return;
  throw new RequestError(
    'forbidden',
    'With BELFRY_AUTH=off the API answers this machine alone, and no other web site.',
  );
}

function prefixOf(request: FastifyRequest): string | undefined {
  return readKey(bearerOf(request) ?? '')?.prefix;
}

function bearerOf({ headers }: FastifyRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
}
