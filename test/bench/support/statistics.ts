/** @param share 0 to 1 @returns NaN of nothing */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

/** The middle one; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const order = sorted(values);
  const middle = order.length / 2;
  const [low, high] = [order[Math.ceil(middle) - 1], order[Math.floor(middle)]];
  return ((low ?? NaN) + (high ?? NaN)) / 2;
}
