import { BelfryError, messageOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

export type Repetition = {
  /** The next turn comes at once. */
  wake(): void;
  /** Resolves when no turn is under way any more. */
  stop(): Promise<void>;
};

/**
 * Does `work` again and again, `everyMs` after its end; it asks to be repeated at once by answering true.
 * Failures are logged: the next turn tries again.
 */
export function repeat(
  { clock, log }: { clock: Clock; log: Log },
  name: string,
  everyMs: number,
  work: () => Promise<boolean | void>,
): Repetition {
  let stopped = false;
  let pause = new AbortController();
  const turn = async (): Promise<boolean> => {
    try {
      return (await work()) === true;
    } catch (error) {
      const fields = { code: error instanceof BelfryError ? error.code : 'unexpected', reason: messageOf(error) };
      if (error instanceof BelfryError && error.retryable) log.warn(fields, `${name} failed`);
      else log.error(fields, `${name} failed`);
      return false;
    }
  };
  const loop = async (): Promise<void> => {
    while (!stopped) {
      pause = new AbortController();
      if (!(await turn())) await clock.sleep(everyMs, pause.signal);
    }
  };
  const ended = loop();
  return {
    wake: () => pause.abort(),
    stop: () => {
      stopped = true;
      pause.abort();
      return ended;
    },
  };
}
