import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { claimAction, type ClaimAction, type ClaimCase } from '../../services/core/claim.ts';
import { RUN_STATUSES, TERMINAL_STATUSES } from '../../services/core/model.ts';

type Flat = ClaimCase['row'] & Omit<ClaimCase, 'row'>;

/** A record of attempt 2 meets a run that is RUNNING attempt 2 under a live lease of another. */
const USUAL: Flat = {
  ...{ status: 'RUNNING', attempt: 2, lost: 0, leaseAlive: true, parked: false },
  ...{ mine: false, myNonce: false, recordAttempt: 2, atMostOnce: false, fromParked: false },
};

function decide({ status, attempt, lost, leaseAlive, parked, ...rest }: Flat): ClaimAction {
  return claimAction({ row: { status, attempt, lost, leaseAlive, parked }, ...rest });
}

function every(): Flat[] {
  const bools = [false, true];
  let cases: Flat[] = [USUAL];
  const vary = <K extends keyof Flat>(key: K, values: readonly Flat[K][]): void => {
    cases = cases.flatMap((each) => values.map((value) => ({ ...each, [key]: value })));
  };
  vary('status', RUN_STATUSES);
  vary('recordAttempt', [1, 2, 3]);
  vary('lost', [0, 1, 2, 3]);
  vary('leaseAlive', bools);
  vary('parked', bools);
  vary('mine', bools);
  vary('myNonce', bools);
  vary('atMostOnce', bools);
  vary('fromParked', bools);
  return cases;
}

/** When each action may be chosen, and when it must: together they hold every case once. */
const EXACTLY: Record<ClaimAction, (c: Flat) => boolean> = {
  publish_outcome: (c) => TERMINAL_STATUSES.some((status) => status === c.status),
  run: (c) => c.status === 'RUNNING' && c.mine && c.myNonce,
  publish_retry: (c) => c.status === 'RETRYING' && c.recordAttempt < c.attempt,
  drop: (c) =>
    (c.status === 'ENQUEUED' || (c.status === 'RUNNING' && !(c.mine && c.myNonce))) && c.recordAttempt < c.attempt,
  leave_parked: (c) => live(c) && c.recordAttempt === c.attempt && c.parked && !c.fromParked,
  reclaim: (c) => live(c) && current(c) && c.status !== 'RUNNING',
  hold: (c) => live(c) && current(c) && c.status === 'RUNNING' && (c.mine || c.leaseAlive),
  end_lost: (c) => live(c) && current(c) && isLost(c) && (c.atMostOnce || c.lost >= 2),
  take_over: (c) => live(c) && current(c) && isLost(c) && !c.atMostOnce && c.lost < 2,
};
/** Not ended, and not this very claim's. */
const live = (c: Flat): boolean => !EXACTLY.publish_outcome(c) && !EXACTLY.run(c);
/** This record is the one to act on. */
const current = (c: Flat): boolean =>
  c.recordAttempt > c.attempt || (c.recordAttempt === c.attempt && (!c.parked || c.fromParked === true));
const isLost = (c: Flat): boolean => c.status === 'RUNNING' && !c.mine && !c.leaseAlive;

describe('what to do with a due record whose run has a row', () => {
  it('is decided for every combination, by one line of the table', () => {
    const cases = every();
    assert.equal(cases.length, 7 * 3 * 4 * 2 ** 6);
    for (const each of cases) {
      const lines = Object.entries(EXACTLY).filter(([, holds]) => holds(each));
      assert.deepEqual(
        lines.map(([action]) => action),
        [decide(each)],
        JSON.stringify(each),
      );
    }
  });

  const table: [string, Partial<Flat>, ClaimAction][] = [
    ['starts a run that it just inserted', { mine: true, myNonce: true, recordAttempt: 2 }, 'run'],
    ['starts its own claim also when the lease has run out', { mine: true, myNonce: true, leaseAlive: false }, 'run'],
    ['starts the attempt that was announced', { status: 'RETRYING' }, 'reclaim'],
    ['starts a run that was handed back', { status: 'ENQUEUED' }, 'reclaim'],
    ['starts a handed-back at_most_once run: it never began', { status: 'ENQUEUED', atMostOnce: true }, 'reclaim'],
    ['publishes the retry again when the record is older', { status: 'RETRYING', recordAttempt: 1 }, 'publish_retry'],
    ['publishes the outcome again', { status: 'COMPLETED', recordAttempt: 1 }, 'publish_outcome'],
    ['publishes the outcome again although the run is parked', { status: 'FAILED', parked: true }, 'publish_outcome'],
    ['waits for another worker', {}, 'hold'],
    ['waits for itself: only this record may be left to publish the end', { mine: true }, 'hold'],
    ['never takes over from itself', { mine: true, leaseAlive: false }, 'hold'],
    ['takes over from a lost worker', { leaseAlive: false }, 'take_over'],
    ['takes over after the second loss', { leaseAlive: false, lost: 1 }, 'take_over'],
    ['ends a run with its third loss', { leaseAlive: false, lost: 2 }, 'end_lost'],
    ['never tries at_most_once again', { leaseAlive: false, atMostOnce: true }, 'end_lost'],
    ['leaves a detached run to its parked row', { parked: true }, 'leave_parked'],
    ['leaves its own detached run to its parked row', { parked: true, mine: true }, 'leave_parked'],
    ['leaves a lost detached run to its parked row', { parked: true, leaseAlive: false }, 'leave_parked'],
    ['takes over a lost run by its parked row', { parked: true, leaseAlive: false, fromParked: true }, 'take_over'],
    ['starts a run by its parked row', { status: 'RETRYING', parked: true, fromParked: true }, 'reclaim'],
    ['keeps the parked row while another runs it', { parked: true, fromParked: true }, 'hold'],
    ['drops a record whose run is at a later attempt', { recordAttempt: 1 }, 'drop'],
    ['drops it also when that attempt’s worker is lost', { recordAttempt: 1, leaseAlive: false }, 'drop'],
  ];
  for (const [name, changes, action] of table) it(name, () => assert.equal(decide({ ...USUAL, ...changes }), action));
});
