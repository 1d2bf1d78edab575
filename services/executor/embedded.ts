/** An executor as a guest: it never ends the process that it runs in. */
import type { Log } from '../core/ports/log.ts';

type Guest = { port: number; stop(): Promise<void> };

/**
 * @param onFatal told once, after which the guest stops
 * @param start gets `fail`, for errors after which the guest cannot go on
 * @returns the guest; it is stopped once, whoever asks
 */
export async function embedded(
  log: Log,
  onFatal: ((error: Error) => void) | undefined,
  start: (fail: (error: Error) => void) => Promise<Guest>,
): Promise<Guest> {
  const failed = Promise.withResolvers<void>();
  let isFatal = false;
  const fail = (error: Error): void => {
    if (isFatal) return;
    isFatal = true;
    log.error({ err: error }, 'the executor cannot go on, it stops');
    failed.resolve();
    onFatal?.(error);
  };
  const guest = await start(fail);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= guest.stop());
  failed.promise.then(stop).catch((error: unknown) => log.warn({ err: error }, 'the stop was not clean'));
  return { port: guest.port, stop };
}
