/** Whether a history keeps Belfry's promises: a pure function. */
import { checkBacklog } from './backlog.ts';
import { checkCalls } from './calls.ts';
import { checkCancels } from './cancels.ts';
import type { History, Violation } from './history.ts';
import { checkOccurrences } from './occurrences.ts';
import { checkOutcomes } from './outcomes.ts';
import { checkTransactions } from './transactions.ts';

export type CheckOptions = {
  /** Within this time after healing nothing may be left to do. */
  quietWithinMs: number;
  /** Occurrences that came due so shortly before a command that changes their job are decided by either. */
  failoverMs: number;
  /** How far apart the times of one moment may be that two observers wrote down. */
  toleranceMs: number;
};

export const SIMULATION_OPTIONS: CheckOptions = { quietWithinMs: 150_000, failoverMs: 15_000, toleranceMs: 50 };

/** @returns every broken promise; none when all were kept */
export function check(history: History, options: CheckOptions = SIMULATION_OPTIONS): Violation[] {
  return [
    ...checkOccurrences(history, options),
    ...checkOutcomes(history),
    ...checkCalls(history, options),
    ...checkTransactions(history),
    ...checkCancels(history, options),
    ...checkBacklog(history, options),
  ];
}
