/** Whether a history keeps Belfry's promises: a pure function. */
import { checkBacklog } from './backlog.ts';
import { checkCalls } from './calls.ts';
import { checkCancels } from './cancels.ts';
import { checkCarried } from './carried.ts';
import { checkChains } from './chains.ts';
import { checkEnqueued } from './enqueued.ts';
import { checkEventRuns } from './event-runs.ts';
import { checkHttp } from './http.ts';
import type { History, Violation } from './history.ts';
import { checkLimits } from './limits.ts';
import { checkOccurrences } from './occurrences.ts';
import { checkOutcomes } from './outcomes.ts';
import { SIMULATION_OPTIONS, type CheckOptions } from './options.ts';
import { checkPromptness } from './promptness.ts';
import { checkRefusals } from './refusals.ts';
import { checkTransactions } from './transactions.ts';
import { checkWebhooks } from './webhooks.ts';

/** @returns every broken promise; none when all were kept */
export function check(history: History, options: CheckOptions = SIMULATION_OPTIONS): Violation[] {
  return checkAll(history, options).filter(({ isOfFormer }) => isOfFormer !== true);
}

/** @returns what processes of the former release did that only this release promises not to do */
export function checkFormer(history: History, options: CheckOptions = SIMULATION_OPTIONS): Violation[] {
  return checkAll(history, options).filter(({ isOfFormer }) => isOfFormer === true);
}

function checkAll(history: History, options: CheckOptions): Violation[] {
  return [
    ...checkOccurrences(history, options),
    ...checkOutcomes(history),
    ...checkCalls(history, options),
    ...checkTransactions(history),
    ...checkCancels(history, options),
    ...checkChains(history, options),
    ...checkEventRuns(history, options),
    ...checkLimits(history, options),
    ...checkRefusals(history, options),
    ...checkEnqueued(history),
    ...checkWebhooks(history, options),
    ...checkHttp(history),
    ...checkCarried(history),
    ...checkPromptness(history, options),
    ...checkBacklog(history, options),
  ];
}
