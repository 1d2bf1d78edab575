/**
 * What to do with a due record whose run has a row: a pure function, one line a case.
 *
 * What every line must keep: nothing is lost: a record is let go (`drop`, `leave_parked`) only when another record or parked
 * row is bound to bring the run to its end *and* to publish that end; and nothing is done twice: an attempt runs only after a
 * compare-and-set on the row's token, so of all that arrive here with the same answer one gets it.
 *
 * It rests on how executors let go of records: the record of an attempt is held (its offset uncommitted, or its row in
 * `parked`) until that attempt's end has been published. So whatever attempt the row is at, somebody holds its record.
 */
import { isTerminal, type RunStatus } from './model.ts';
import type { RunRow } from './ports/run-store.ts';

/** The third lost attempt ends the run. */
const MAX_LOST_ATTEMPTS = 3;

/**
 * - `run`: it is this claim's; start it.
 * - `reclaim`: compare-and-set, then start it.
 * - `take_over`: its worker is lost: mark the lease dead, compare-and-set with `lostAttempt`, then start it.
 * - `end_lost`: as take_over, but settle it FAILED (`lost`) instead of starting it.
 * - `publish_retry`: publish the row's next attempt again, due at its `retryAt`.
 * - `publish_outcome`: publish the row's terminal outcome again.
 * - `hold`: keep the record and look again later.
 * - `leave_parked`: let go of the record: a row of `parked` stands for it.
 * - `drop`: let go of the record: the record of a later attempt stands for the run.
 */
export type ClaimAction =
  'run' | 'reclaim' | 'take_over' | 'end_lost' | 'publish_retry' | 'publish_outcome' | 'hold' | 'leave_parked' | 'drop';

export type ClaimCase = {
  /** The run's row after the claim. */
  row: Pick<RunRow, 'status' | 'attempt' | 'lost' | 'leaseAlive' | 'parked'>;
  /** The row's executor is the asking lease. */
  mine: boolean;
  /** The row's nonce is the one that this claim sent. */
  myNonce: boolean;
  recordAttempt: number;
  atMostOnce: boolean;
  /** The record came from the row of `parked` that this executor holds, not from Kafka. */
  fromParked?: boolean;
};

/** @returns what is to be done with the record; defined for every combination. */
export function claimAction(input: ClaimCase): ClaimAction {
  const { row, recordAttempt } = input;
  if (isTerminal(row.status)) {
    // Whoever settled may have died before publishing. The event's id is the same, so a repeat is known as one.
    return 'publish_outcome';
  }
  if (row.status === 'RUNNING' && input.mine && input.myNonce) {
    // Just inserted, or inserted by an earlier try of this claim whose answer was lost: nobody else runs it.
    return 'run';
  }
  if (recordAttempt < row.attempt) return outdated(row.status);
  if (row.parked && input.fromParked !== true && recordAttempt === row.attempt) {
    // The parked row is of this very attempt (`RunRow.parked`): its holder runs it and publishes; when the holder dies, the row
    // is handed over again. One from an earlier attempt does not count: it may go at any moment.
    return 'leave_parked';
  }
  // From here on the record is the row's attempt. (A later one needs a database that forgot: it counts as the same, so that
  // the run goes on.)
  if (row.status !== 'RUNNING') {
    // RETRYING: this is the attempt that was announced. ENQUEUED: it was handed back. Nobody runs it, the first to come takes it.
    return 'reclaim';
  }
  return running(input);
}

/** The row is at a later attempt than the record. */
function outdated(status: RunStatus): ClaimAction {
  // RETRYING: the record's attempt was settled, but its retry perhaps not published: the timer takes a repeat as the same timer.
  // Also when the record is older still, and surely not the one to publish it: then it is a repeat.
  if (status === 'RETRYING') return 'publish_retry';
  // RUNNING, ENQUEUED: the retry was published, since its record was claimed; that record is held until the attempt's end is
  // published, whether its worker lives or not.
  return 'drop';
}

/** The row is RUNNING the record's attempt, by another claim. */
function running({ row, mine, atMostOnce }: ClaimCase): ClaimAction {
  // This process runs it since an earlier delivery. Which may have been of this very record, before a rebalance: then the run's
  // end is published only by whoever holds the record now. So it is held, though the run is ours; never taken over from oneself.
  if (mine) return 'hold';
  // It may finish, or die: look again. Then its end is published, or it is taken over.
  if (row.leaseAlive) return 'hold';
  // Its worker is lost, perhaps in the middle. What must not be tried twice ends here, and so does what kills its workers.
  if (atMostOnce || row.lost + 1 >= MAX_LOST_ATTEMPTS) return 'end_lost';
  return 'take_over';
}
