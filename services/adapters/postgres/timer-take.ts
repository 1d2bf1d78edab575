/** Taking a partition over, also from a process that froze while it held the owner's row. */
import { BelfryError } from '../../core/errors.ts';
import { decodeOutbox } from '../../core/outbox-codec.ts';
import type { JobRef, OutboxBatch, Taken, WaitingCommand } from '../../core/ports/timer-store.ts';
import { sqlState } from './classify.ts';
import type { Pg } from './pool.ts';
import { OWNER_FIELDS, ownershipOf, type OwnerRow } from './timer-rows.ts';

const LOCK_NOT_AVAILABLE = '55P03';
/** Each waits for the lock as long as the function `take` says; ending a session frees its locks within milliseconds. */
const MAX_ATTEMPTS = 3;

const TAKE = { name: 'timer_take', text: `SELECT ${OWNER_FIELDS} FROM take($1, $2)` };

// The session that has the row locked is the one whose transaction stands in its xmax.
const END_BLOCKER = {
  name: 'timer_end_blocker',
  text: `SELECT pg_terminate_backend(l.pid)
         FROM owners o JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = o.xmax AND l.granted
         WHERE o.partition = $1 AND l.pid <> pg_backend_pid()`,
};

const OUTBOX = {
  name: 'timer_outbox',
  text: 'SELECT partition, seq, lane, body FROM outbox WHERE partition = $1 ORDER BY seq',
};

const WAITING = {
  name: 'timer_waiting',
  text: `SELECT seq, tenant, job_id AS "jobId", until, missing, origin::text AS origin, sent_at AS "sentAt", body
         FROM waiting_commands WHERE partition = $1 ORDER BY seq`,
};
type WaitingRow = JobRef &
  Pick<WaitingCommand, 'seq' | 'until'> &
  Record<'missing' | 'origin', string> & { sentAt: number; body: Buffer };

/**
 * Raises the partition's epoch, then reads what its former owner left: by then no step of that one can add to it.
 *
 * @throws BelfryError `store_unavailable`, also when the row stays locked; `unknown_partition`
 */
export async function takePartition(pool: Pg, partition: number, instance: string): Promise<Taken> {
  const row = await raiseEpoch(pool, partition, instance);
  const [outbox, waiting] = await Promise.all([
    pool.query<OutboxBatch>(OUTBOX, [partition]),
    pool.query<WaitingRow>(WAITING, [partition]),
  ]);
  return {
    ownership: ownershipOf(partition, row),
    outbox,
    waiting: waiting.map((each) => waitingOf(partition, each)),
  };
}

function waitingOf(partition: number, { missing, origin, sentAt, body, ...row }: WaitingRow): WaitingCommand {
  const [record] = decodeOutbox(body);
  const { topic, key, value, headers } = record!;
  return {
    ...row,
    partition,
    missing: JSON.parse(missing) as string[],
    record: { topic, partition, offset: BigInt(origin), timestampMs: sentAt, key, value, headers },
  };
}

async function raiseEpoch(pool: Pg, partition: number, instance: string): Promise<OwnerRow> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const [row] = await pool.query<OwnerRow>(TAKE, [partition, instance]);
      if (row !== undefined) return row;
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE || attempt === MAX_ATTEMPTS) throw error;
      await pool.query(END_BLOCKER, [partition]);
      continue;
    }
    throw new BelfryError('unknown_partition', `Partition ${partition} is not one of this database's.`, {
      ids: { partition },
    });
  }
}
