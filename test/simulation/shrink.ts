/** Leaves out what a failing plan does not need: faults, then commands, one by one, as long as it still breaks the same promise. */
import type { Plan } from './plan.ts';
import { simulatePlan, type Result, type SimulateOptions } from './simulate.ts';

export async function shrink(failed: Result, options: SimulateOptions): Promise<Result> {
  const invariants = new Set(failed.violations.map(({ invariant }) => invariant));
  const stillFails = async (plan: Plan): Promise<boolean> => {
    const { violations } = await simulatePlan(plan, { ...options, isTraced: false });
    return violations.some(({ invariant }) => invariants.has(invariant));
  };
  let { plan } = failed;
  for (const part of ['faults', 'actions'] as const) {
    for (let index = plan[part].length - 1; index >= 0; index--) {
      const smaller = { ...plan, [part]: plan[part].toSpliced(index, 1) };
      if (await stillFails(smaller)) plan = smaller;
    }
  }
  return simulatePlan(plan, options);
}
