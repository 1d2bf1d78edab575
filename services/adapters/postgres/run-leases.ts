/**
 * Leases, judged by the database's clock alone.
 *
 * Invariant: dead is final. Marking and renewing update the same row, so one of them comes second and finds the other: a
 * lease that was renewed just in time is not marked, one that was marked is not renewed.
 */
import type { Lease, LeaseState } from '../../core/ports/run-store.ts';
import { textArray, uuidArray } from './arrays.ts';
import type { Pg } from './pool.ts';

const OPEN = {
  name: 'open_lease',
  text: `WITH forgotten AS (DELETE FROM leases WHERE dead AND expires_at < now_ms() - 86400000)
         INSERT INTO leases AS l (executor, worker, queue, transactional_id, handlers, alive_since, expires_at)
         VALUES ($1, $2, $3, $4, $5, now_ms(), now_ms() + $6::bigint)
         ON CONFLICT (executor) DO UPDATE SET expires_at = excluded.expires_at WHERE NOT l.dead`,
};
const RENEW = {
  name: 'renew_lease',
  text: `UPDATE leases SET free = $3, alive_since = CASE WHEN expires_at > now_ms() THEN alive_since ELSE now_ms() END,
                expires_at = now_ms() + $2::bigint
         WHERE executor = $1 AND NOT dead RETURNING executor`,
};
const MARK_DEAD = {
  name: 'mark_dead',
  text: `UPDATE leases SET dead = true WHERE executor = ANY ($1::uuid[]) AND NOT dead AND expires_at <= now_ms()
         RETURNING executor, transactional_id AS "transactionalId"`,
};
const CLOSE = {
  name: 'close_lease',
  text: 'UPDATE leases SET dead = true, free = 0, expires_at = least(expires_at, now_ms()) WHERE executor = $1 AND NOT dead',
};
const LEASES = {
  name: 'leases',
  text: `SELECT executor, worker, transactional_id AS "transactionalId", expires_at > now_ms() AS alive,
                now_ms() - alive_since AS "ageMs", free, handlers, queue
         FROM leases WHERE NOT dead`,
};

/** See RunStore.openLease. */
export async function openLease(pg: Pg, lease: Lease, lengthMs: number): Promise<void> {
  const { executor, worker, queue, transactionalId, handlers } = lease;
  await pg.query(OPEN, [executor, worker, queue, transactionalId, textArray(handlers), Math.round(lengthMs)]);
}

/** See RunStore.renewLease. */
export async function renewLease(pg: Pg, executor: string, lengthMs: number, free: number): Promise<boolean> {
  return (await pg.query(RENEW, [executor, Math.round(lengthMs), free])).length > 0;
}

/** See RunStore.markDead. */
export async function markDead(
  pg: Pg,
  executors: readonly string[],
): Promise<{ executor: string; transactionalId: string }[]> {
  if (executors.length === 0) return [];
  return pg.query(MARK_DEAD, [uuidArray(executors)]);
}

/** See RunStore.closeLease. */
export async function closeLease(pg: Pg, executor: string): Promise<void> {
  await pg.query(CLOSE, [executor]);
}

/** See RunStore.leases. */
export async function leases(pg: Pg): Promise<LeaseState[]> {
  return pg.query<LeaseState>(LEASES);
}
