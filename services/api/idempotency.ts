/**
 * One `Idempotency-Key`, one request: with another method, path or body it is refused (draft-ietf-httpapi-idempotency-key-header).
 * The key becomes the id of the command, which has one effect per job and says nothing of other jobs; so what it stands for is
 * written down before the command is sent. Requests that are not valid take no key.
 */
import { hash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { isDeeperThan, MAX_RECORD_DEPTH } from '../core/internal/values.ts';
import { idempotencyKeyOf } from './command.ts';
import type { Api, ApiDeps } from './deps.ts';
import { RequestError } from './problem.ts';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Adds the check to every route that changes something. */
export function addIdempotency(api: Api, { idempotencyKeys }: ApiDeps): void {
  const fingerprints = new WeakMap<FastifyRequest, string>();
  // Before validation, which makes of the body what handlers take.
  api.addHook('preValidation', async (request) => {
    if (READS.has(request.method) || idempotencyKeyOf(request) === undefined) return;
    if (isDeeperThan(MAX_RECORD_DEPTH, request.body))
      throw new RequestError('invalid', 'The body is nested too deeply.');
    const body = JSON.stringify(request.body ?? null);
    fingerprints.set(request, hash('sha256', `${request.method} ${request.url}\n${body}`, 'hex'));
  });
  api.addHook('preHandler', async (request) => {
    const [key, fingerprint] = [idempotencyKeyOf(request), fingerprints.get(request)];
    if (key === undefined || fingerprint === undefined) return;
    if (await idempotencyKeys.claim(request.caller.tenant, key, fingerprint)) return;
    const detail = 'was sent with another request (method, path or body): use a new one for this';
    throw new RequestError('idempotency_key_reused', `The Idempotency-Key ${detail}.`, [
      { header: 'Idempotency-Key', detail },
    ]);
  });
}
