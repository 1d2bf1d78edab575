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
 * Does `work` again and again, every `everyMs` from now on; it asks to be repeated at once by answering true. Repetitions that began
 * together keep one beat, so that an idle process is woken once for all of them. After a turn that took long, or was called, half of the pause
 * remains at the least. Failures are logged: the next turn tries again.
 */
export function repeat(
  { clock, log }: { clock: Clock; log: Log },
  name: string,
  everyMs: number,
  work: () => Promise<boolean | void>,
): Repetition {
  const begun = clock.now();
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
      if (!(await turn())) await clock.sleep(untilBeat(clock.now() - begun, everyMs), pause.signal);
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

/** The rest of the interval under way, or of the next one where little is left. */
function untilBeat(elapsedMs: number, everyMs: number): number {
  const restMs = everyMs - (((elapsedMs % everyMs) + everyMs) % everyMs); // the clock may have been set back
  return restMs < everyMs / 2 ? restMs + everyMs : restMs;
}
