/** Works on many things, a bounded number of them at a time. */

/** What a client has under way at once for one call with many commands. */
export const COMMANDS_AT_ONCE = 500;

/**
 * Begins in their order; each begins when one before it has ended, so that the time of each counts from its own beginning.
 * @returns how each ended, in order
 */
export async function inWindow<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const ends: PromiseSettledResult<R>[] = [];
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) [ends[index]] = await Promise.allSettled([work(item)]);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return ends;
}
