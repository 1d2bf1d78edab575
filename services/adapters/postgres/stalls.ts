/** Where processes were stuck, in PostgreSQL (schemas/sql/034-stalls.sql). */
import type { StallState } from '../../core/ports/inspect.ts';
import type { Stall, StalledInput, Stalls } from '../../core/ports/stalls.ts';
import type { Pg } from './pool.ts';

const DAY_MS = 86_400_000;
const KEPT_MS = 30 * DAY_MS;

const RECORD = {
  name: 'stall_record',
  text: `WITH forgotten AS (DELETE FROM stalls WHERE stalled_at < now_ms() - ${KEPT_MS})
         INSERT INTO stalls (service, worker, partition, input, job) VALUES ($1, $2, $3, $4, $5)`,
};
const OF_PARTITION = {
  name: 'stalls_of_partition',
  text: `SELECT input, min(job) AS job, count(*)::int AS owners FROM stalls
         WHERE partition = $1 AND service = 'timer' AND stalled_at >= now_ms() - ${DAY_MS} GROUP BY input`,
};
const LATEST = {
  name: 'inspect_stalls',
  text: `SELECT service, partition, input, min(job) AS job, count(*)::int AS count, max(stalled_at) AS "lastAt"
         FROM stalls WHERE stalled_at >= now_ms() - ${7 * DAY_MS}
         GROUP BY service, partition, input ORDER BY max(stalled_at) DESC LIMIT 20`,
};

export class PostgresStalls implements Stalls {
  private readonly pg: Pg;

  constructor(pg: Pg) {
    this.pg = pg;
  }

  async record({ service, worker, at }: Stall): Promise<void> {
    await this.pg.query(RECORD, [service, worker, at?.partition ?? null, at?.input ?? null, at?.job ?? null]);
  }

  ofPartition(partition: number): Promise<StalledInput[]> {
    return this.pg.query<StalledInput>(OF_PARTITION, [partition]);
  }
}

/** See SystemState.stalls. */
export function readStalls(pg: Pg): Promise<StallState[]> {
  return pg.query<StallState>(LATEST);
}
