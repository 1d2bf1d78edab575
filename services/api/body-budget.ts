/**
 * What the bodies of requests under way may have together: a process that reads whatever comes, at once, is ended by a few large
 * ones. A body counts from before it is read until its request is answered, since what is made of it lasts as long; one whose
 * length is not said counts as the longest that its route takes. Keys share what there is, so that one cannot take all.
 */
import { getHeapStatistics } from 'node:v8';
import type { FastifyRequest } from 'fastify';
import { BelfryError } from '../core/errors.ts';
import { Shares } from '../core/shares.ts';
import type { Api } from './deps.ts';

/** Once parsed, bodies of the worst kind need six times as much; a half of the heap is for everything else. */
const HEAP_PER_BODY_BYTE = 16;
/** The largest body that any route takes. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** The budget of a process, bytes. */
export function bodyBudget(heapBytes = getHeapStatistics().heap_size_limit): number {
  return Math.max(MAX_BODY_BYTES, Math.floor(heapBytes / HEAP_PER_BODY_BYTE));
}

/** Adds the check to every route that a key is needed for; goes behind `addAuth`, which tells whose key it is. */
export function addBodyBudget(api: Api, bytes = bodyBudget()): void {
  const shares = new Shares(bytes);
  api.addHook('onRequest', async (request, reply) => {
    const length = lengthOf(request);
    if (length === 0 || request.caller === undefined) return;
    const key = request.caller.actor.id ?? '';
    const release = shares.take(key, length);
    if (release !== undefined) return void reply.raw.once('close', release);
    if (shares.isHeldBy(key))
      throw new BelfryError(
        'rate_limited',
        'Requests of this key that are under way have large bodies: wait for one.',
        {
          retryable: true,
        },
      );
    throw new BelfryError('overloaded', 'Requests with large bodies are under way; try again.', { retryable: true });
  });
}

/** Bytes that the body may have; one that is longer than its route takes is refused without being read. */
function lengthOf({ headers, routeOptions }: FastifyRequest): number {
  const limit = routeOptions.bodyLimit ?? MAX_BODY_BYTES;
  if (headers['transfer-encoding'] !== undefined) return limit;
  return Math.min(Number(headers['content-length'] ?? 0), limit);
}
