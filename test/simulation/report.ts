/** What the simulation tells people. */
import type { Violation } from '../checker/history.ts';
import { INVARIANTS } from '../checker/history.ts';
import { MUTATIONS } from './mutations.ts';
import type { PlannedFault } from './plan.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulate.ts';

const MOST_FAILURES = 10;
const MOST_MESSAGE = 600;

/** Runs `count` seeds from `from` on. @returns whether all promises were kept */
export async function explore(from: number, count: number): Promise<boolean> {
  const begunAt = performance.now();
  const seen = new Map<string, number>();
  const failed: number[] = [];
  let [seeds, virtualMs, runs] = [0, 0, 0];
  while (seeds < count && failed.length < MOST_FAILURES) {
    const seed = from + seeds++;
    const result = await simulate(seed);
    virtualMs += result.virtualMs;
    runs += result.history.runs.length;
    for (const [what, times] of result.seen) seen.set(what, (seen.get(what) ?? 0) + times);
    if (result.violations.length === 0) continue;
    failed.push(seed);
    console.log(`seed ${seed}`);
    tell(result.violations);
    console.log(`  again: npm run test:simulation -- --seed ${seed} --trace`);
  }
  const minutes = (performance.now() - begunAt) / 60_000;
  console.log(`\nWhat the services met with, of ${runs} runs:`);
  for (const [what, times] of [...seen].sort(([, a], [, b]) => b - a))
    console.log(`  ${String(times).padStart(8)}  ${what}`);
  const rate = Math.round(seeds / minutes);
  console.log(
    `\n${seeds} seeds from ${from}, ${failed.length} failed, ${rate} seeds a minute, ${Math.round(virtualMs / 60_000)} minutes of virtual time`,
  );
  return failed.length === 0;
}

/** Runs one seed again. */
export async function replay(
  seed: number,
  options: { trace: boolean; shrink: boolean; mutation?: string | undefined },
): Promise<boolean> {
  const mutation = MUTATIONS.find(({ name }) => name === options.mutation);
  const extra = mutation === undefined ? {} : { mutation };
  let result = await simulate(seed, { ...extra, isTraced: options.trace });
  if (options.shrink && result.violations.length > 0)
    result = await shrink(result, { ...extra, isTraced: options.trace });
  for (const line of result.trace) console.log(line);
  console.log(`seed ${seed}: ${result.plan.partitions} partitions, ${result.plan.faults.length} faults`);
  for (const fault of result.plan.faults) console.log(`  ${describe(fault)}`);
  tell(result.violations);
  if (result.violations.length === 0) console.log('all promises were kept');
  return result.violations.length === 0;
}

function tell(violations: readonly Violation[]): void {
  for (const { invariant, about, message } of violations.slice(0, MOST_FAILURES)) {
    console.log(`  ${invariant} (${INVARIANTS[invariant]})\n     ${about}: ${message.slice(0, MOST_MESSAGE)}`);
  }
}

function describe({ at, kind, seat, forMs, trap }: PlannedFault): string {
  const detail =
    trap === undefined ? '' : `: ${trap.effect} ${trap.when} its next ${trap.call ?? 'request'} to the ${trap.server}`;
  return `at ${at} ms, seat ${seat}, for ${forMs} ms: ${kind}${detail}`;
}
