/**
 * Finds what is wrong in a batch: one wrong item of n costs about 2 · log₂ n calls, not n.
 *
 * Invariants: items keep their order, suspects and others each; every item is either in a call that succeeded, or was refused in a call of its own; an
 * error that is no refusal ends it, with what came before done.
 */
export type Bisection<T> = {
  /** Does it for all of them at once. An item may be in several calls, but in none after one that succeeded. */
  work: (items: readonly T[]) => Promise<void>;
  /** Whether an error says that an item is wrong, not that the work failed. */
  isRefusal: (error: unknown) => boolean;
  /** This item is refused by itself. */
  onRefused: (item: T, error: unknown) => Promise<void> | void;
  /** Where an error tells: whether an item may be the one that it speaks of. It is a hint; the others are not taken for good. */
  isSuspect?: (item: T, error: unknown) => boolean;
};

/** @throws what `work` throws that is no refusal */
export async function bisect<T>(items: readonly T[], bisection: Bisection<T>): Promise<void> {
  if (items.length === 0) return;
  const refusal = await attempt(items, bisection);
  if (refusal !== undefined) await separate(items, refusal, bisection);
}

type Refusal = { error: unknown };

async function attempt<T>(items: readonly T[], { work, isRefusal }: Bisection<T>): Promise<Refusal | undefined> {
  try {
    await work(items);
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { error };
  }
}

/** They were refused together: where one half is taken, the other is known to hold the wrong one. */
async function separate<T>(items: readonly T[], refusal: Refusal, bisection: Bisection<T>): Promise<void> {
  const [only] = items;
  if (items.length === 1 && only !== undefined) return bisection.onRefused(only, refusal.error);
  const [first, second] = parts(items, refusal, bisection);
  const own = await attempt(first, bisection);
  if (own !== undefined) {
    await separate(first, own, bisection);
    return bisect(second, bisection);
  }
  // One alone is asked about itself: what refused it in company may have passed.
  return second.length === 1 ? bisect(second, bisection) : separate(second, refusal, bisection);
}

function parts<T>(items: readonly T[], { error }: Refusal, { isSuspect }: Bisection<T>): [T[], T[]] {
  if (isSuspect !== undefined) {
    const { suspects = [], others = [] } = Object.groupBy(items, (item) =>
      isSuspect(item, error) ? 'suspects' : 'others',
    );
    if (suspects.length > 0 && others.length > 0) return [others, suspects];
  }
  const half = Math.ceil(items.length / 2);
  return [items.slice(0, half), items.slice(half)];
}
