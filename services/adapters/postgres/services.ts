/** Which services live, and what they know: a row each, written again every few seconds. */
import type { ServiceState } from '../../core/ports/inspect.ts';
import type { Pg } from './pool.ts';

export type ServiceRow = Pick<ServiceState, 'kind' | 'name' | 'release' | 'schemaVersion'> & {
  /** A random UUID of this start of it. */
  id: string;
};

/** A process that was killed leaves its row: it is shown as long as somebody may wonder. */
const FORGET_MS = 86_400_000;

const ANNOUNCE = {
  name: 'announce_service',
  text: `WITH forgotten AS (DELETE FROM services WHERE seen_at < now_ms() - ${FORGET_MS})
         INSERT INTO services (id, kind, name, release, schema_version) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
};
const WITHDRAW = { name: 'withdraw_service', text: 'DELETE FROM services WHERE id = $1' };
const SERVICES = {
  name: 'inspect_services',
  text: `SELECT kind, name, release, schema_version AS "schemaVersion", now_ms() - seen_at AS "ageMs"
         FROM services ORDER BY release, schema_version, kind, name`,
};

/** Says that it lives. */
export async function announceService(pg: Pg, { id, kind, name, release, schemaVersion }: ServiceRow): Promise<void> {
  await pg.query(ANNOUNCE, [id, kind, name, release, schemaVersion]);
}

/** Says that it ends. */
export async function withdrawService(pg: Pg, id: string): Promise<void> {
  await pg.query(WITHDRAW, [id]);
}

/** See SystemState.services. */
export function readServices(pg: Pg): Promise<ServiceState[]> {
  return pg.query<ServiceState>(SERVICES);
}
