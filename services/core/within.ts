import type { Clock } from './ports/clock.ts';

/**
 * The promise's outcome, or a rejection with `late()` when it takes longer than `ms`. The promise itself goes on; what
 * becomes of it then is its own matter, and a late rejection is no unhandled one.
 */
export async function within<T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  promise: Promise<T>,
  late: () => Error,
): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(ms, () => reject(late()));
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    cancel();
  }
}

/**
 * The promise's outcome, or a rejection with the signal's reason as soon as it aborts. The promise itself goes on, as with `within`;
 * the signal keeps nothing of it.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
