/** A store in which some statements never end by themselves: the server ends them, and nothing of them was done. */
import { BelfryError } from '../../services/core/errors.ts';
import type { TimerStore } from '../../services/core/ports/timer-store.ts';
import { isEndless } from '../support/poison.ts';
import type { VirtualTime } from '../../services/adapters/virtual-time.ts';
import { override } from './override.ts';

const STATEMENT_TIMEOUT_MS = 3_000;

export function endless(store: TimerStore, { sim }: { sim: VirtualTime }): TimerStore {
  return override(store, {
    step: async (steps) => {
      if (!steps.some(({ jobs }) => jobs.some(isEndless))) return store.step(steps);
      await sim.sleep(STATEMENT_TIMEOUT_MS);
      throw new BelfryError('step_unclear', 'the statement took too long', { retryable: true });
    },
  });
}
