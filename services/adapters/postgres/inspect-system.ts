/** How the deployment is doing: what `belfry doctor` and the dashboard ask of the database. */
import { BelfryError } from '../../core/errors.ts';
import type { Owner, SystemState } from '../../core/ports/inspect.ts';
import type { SystemJob } from '../../core/system-jobs.ts';
import { readMeta } from './migrate.ts';
import { ownTopics } from './own-topics.ts';
import type { Pg } from './pool.ts';
import { leases } from './run-leases.ts';
import { readStalls } from './stalls.ts';
import { readServices } from './services.ts';
import { OWNER_FIELDS, ownershipOf, type OwnerRow } from './timer-rows.ts';

/** The schema has a table for services, and one for stalls, since then. */
const ANNOUNCED_SINCE = 27;
const STALLS_SINCE = 34;

const OWNERS = {
  name: 'inspect_owners',
  text: `SELECT partition, instance, ${OWNER_FIELDS},
                (SELECT count(*) FROM outbox b WHERE b.partition = o.partition) AS "outboxDepth"
         FROM owners o ORDER BY partition`,
};
const OVERDUE = {
  name: 'inspect_overdue',
  text: `SELECT coalesce(sum(t.count), 0)::bigint AS count, min(t.oldest) AS "oldestAt"
         FROM owners o CROSS JOIN LATERAL (SELECT count(*) AS count, min(fire_at) AS oldest
                                           FROM timers t WHERE t.partition = o.partition AND t.fire_at < (SELECT now_ms())) t`,
};
const PARKED = {
  name: 'inspect_parked',
  text: `SELECT count(*) FILTER (WHERE kind = 'handed_over') AS "handedOver", count(*) FILTER (WHERE kind = 'detached') AS detached
         FROM parked`,
};

export async function readSystem(pg: Pg): Promise<SystemState> {
  const meta = await readMeta(pg);
  if (meta === undefined) {
    throw new BelfryError('not_migrated', 'The database has no Belfry tables yet: run "belfry migrate".');
  }
  const [topics, owners, overdue, alive, parked, services, stalls] = await Promise.all([
    ownTopics(pg),
    pg.query<OwnerRow & { partition: number; instance: string; outboxDepth: number }>(OWNERS),
    pg.query<SystemState['overdue']>(OVERDUE),
    leases(pg),
    pg.query<SystemState['parked']>(PARKED),
    meta.schemaVersion < ANNOUNCED_SINCE ? [] : readServices(pg),
    meta.schemaVersion < STALLS_SINCE ? [] : readStalls(pg),
  ]);
  return {
    ...meta,
    ...{ topics, services, stalls },
    owners: owners.map(ownerOf),
    overdue: overdue[0] ?? { count: 0, oldestAt: null },
    leases: alive,
    parked: parked[0] ?? { handedOver: 0, detached: 0 },
  };
}

function ownerOf(row: OwnerRow & { partition: number; instance: string; outboxDepth: number }): Owner {
  const { instance, outboxDepth, partition } = row;
  const { epoch, offsets } = ownershipOf(partition, row);
  return { partition, instance, epoch, offsets, outboxDepth };
}

const SYSTEM_JOBS = {
  name: 'inspect_system_jobs',
  text: `SELECT name, last_run_at AS "lastRunAt", next_run_at AS "nextRunAt", status, result, changed_at AS "changedAt", changed
         FROM system_jobs ORDER BY name`,
};

/** @see Inspect.systemJobs */
export function readSystemJobs(pg: Pg): Promise<SystemJob[]> {
  return pg.query<SystemJob>(SYSTEM_JOBS);
}
