import { BelfryError, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

/**
 * Does `work` again and again, `everyMs` after its end; it may ask to be repeated at once by answering true.
 * Failures are logged: the next turn tries again.
 * @returns stops it; resolves when no turn is under way any more
 */
export function repeat(
  { clock, log }: { clock: Clock; log: Log },
  name: string,
  everyMs: number,
  work: () => Promise<boolean | void>,
): () => Promise<void> {
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      let again: boolean | void = false;
      try {
        again = await work();
      } catch (error) {
        const fields = { code: error instanceof BelfryError ? error.code : 'unexpected', reason: messageOf(error) };
        if (error instanceof BelfryError && error.retryable) log.warn(fields, `${name} failed`);
        else log.error(fields, `${name} failed`);
      }
      if (again !== true) await clock.sleep(everyMs, stop.signal);
    }
  };
  const ended = loop();
  return () => {
    stop.abort();
    return ended;
  };
}
