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
