import { BelfryError, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/**
 * Repeats `work` while it fails with a retryable error, that is, until its outcome is known.
 * @param goOn asked after each failure; false gives up
 * @returns undefined when it gave up
 * @throws what `work` threw when that is not retryable
 */
export async function untilKnown<T>(
  { clock, log }: { clock: Clock; log: Log },
  what: string,
  work: () => Promise<T>,
  goOn: () => boolean = () => true,
): Promise<T | undefined> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BelfryError) || !error.retryable) throw error;
      if (!goOn()) return undefined;
      log.warn({ code: error.code, reason: messageOf(error) }, `${what} failed, trying again`);
      await clock.sleep(waitMs);
    }
  }
}
