/** Repeats of one measurement as one line: the median of each figure. */
import { median } from '../support/statistics.ts';
import type { Figures } from '../workloads/workload.ts';
import type { Measured } from './store.ts';

export type Line = { system: string; variant: string; case: string; figures: Figures };

/** In the order in which they were measured. */
export function medians({ results }: Measured): Line[] {
  const groups = Map.groupBy(results, (each) => JSON.stringify([each.system, each.variant, each.case]));
  return [...groups.values()].flatMap((repeats) => {
    const [first] = repeats;
    if (first === undefined) return [];
    const figures = Object.fromEntries(
      Object.keys(first.figures).map((key) => [key, median(repeats.map((each) => each.figures[key] ?? NaN))]),
    );
    return [{ system: first.system, variant: first.variant, case: first.case, figures }];
  });
}
