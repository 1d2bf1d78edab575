/** Start and stop of a service process. */
import { BelfryError, messageOf } from '../core/errors.ts';
import type { Log } from '../core/ports/log.ts';

export type Running = { stop(): Promise<void> };

/**
 * Runs a service until SIGTERM or SIGINT, or until it reports that it cannot go on; then stops it and answers the exit
 * code: 0 after a clean stop, 1 otherwise. A second signal ends the process at once. A stop during the start does not wait
 * for it: the caller must end the process.
 * @param start gets `fail`, for errors that no retry can mend
 */
export async function runUntilStopped(
  log: Log,
  start: (fail: (error: Error) => void) => Promise<Running>,
): Promise<number> {
  let finish: (code: number) => void = () => undefined;
  const finished = new Promise<number>((resolve) => (finish = resolve));
  const fail = (error: Error): void => {
    log.error({ err: error }, 'the service cannot go on');
    finish(1);
  };
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(130);
    log.info({ signal }, 'stopping');
    finish(0);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  process.on('unhandledRejection', (reason) =>
    fail(reason instanceof Error ? reason : new BelfryError('bug', messageOf(reason))),
  );
  process.on('uncaughtException', fail);
  // A start may wait for servers for ever, and must not hold up a stop meanwhile.
  const service = await Promise.race([start(fail), finished]);
  if (typeof service === 'number') return service;
  const code = await finished;
  try {
    await service.stop();
    return code;
  } catch (error) {
    log.error({ err: error }, 'the stop was not clean');
    return 1;
  }
}
