/** Steps that several workloads take. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sorted } from '../support/statistics.ts';
import type { Load, System } from '../systems/system.ts';

const WARM_UP_JOBS = 20_000;
const WARM_UP_MS = 20_000;
const SPREAD_PER_S = 1_000;
const SPREAD_TIMEOUT_MS = 60_000;
/** Between the last schedule and the first due time: what was stored settles. */
const PAUSE_MS = 3_000;
/** What the slowest of the systems schedules a second here, with a margin. */
const SLOWEST_SCHEDULES_PER_S = 4_000;

/**
 * Runs some jobs, so that no compiler, cache or plan is cold.
 * @param before how many have completed already
 * @returns how many have now
 */
export async function warmUp(system: System, before = 0): Promise<number> {
  await system.enqueue({ count: WARM_UP_JOBS, firstAt: Date.now() });
  const done = await system.completed(before + WARM_UP_JOBS, WARM_UP_MS);
  await system.lateness();
  return done;
}

/**
 * The same, and then as many at an even pace: other code is hot there than in a burst, and Java's second compiler takes its time.
 * @param before how many have completed already
 * @returns how many have now
 */
export async function warmUpSpread(system: System, before = 0): Promise<number> {
  const done = await warmUp(system, before);
  await enqueueAhead(system, { count: WARM_UP_JOBS, perSecond: SPREAD_PER_S });
  const all = await system.completed(done + WARM_UP_JOBS, (WARM_UP_JOBS * 1_000) / SPREAD_PER_S + WARM_UP_MS);
  await system.lateness();
  return all;
}

/**
 * Runs jobs at an even pace.
 * @param before how many have completed already
 * @returns how many have now, how many did not in time, and by how much each of them started late, ascending
 */
export async function runSpread(
  system: System,
  before: number,
  { perSecond, seconds }: { perSecond: number; seconds: number },
): Promise<{ done: number; unfinished: number; late: number[] }> {
  const count = perSecond * seconds;
  await enqueueAhead(system, { count, perSecond });
  const done = await system.completed(before + count, seconds * 1_000 + SPREAD_TIMEOUT_MS);
  return { done, unfinished: before + count - done, late: sorted(await system.lateness()) };
}

/**
 * Schedules jobs long enough ahead.
 * @param options `pauseMs` between the last schedule and the first due time, at least; `schedulesPerS` how many it takes in
 *   a second at least
 * @returns when the first is due, Unix time in ms
 * @throws Error when scheduling took longer than planned
 */
export async function enqueueAhead(
  system: System,
  load: Omit<Load, 'firstAt'>,
  options: { pauseMs?: number; schedulesPerS?: number } = {},
): Promise<number> {
  const { pauseMs = PAUSE_MS, schedulesPerS = SLOWEST_SCHEDULES_PER_S } = options;
  const firstAt = Date.now() + Math.ceil((load.count * 1_000) / schedulesPerS) + pauseMs;
  await system.enqueue({ ...load, firstAt });
  if (Date.now() > firstAt - pauseMs) throw new Error(`scheduling ${load.count} jobs took longer than planned`);
  return firstAt;
}

/** Waits until it is so late. @param at Unix time in ms */
export async function until(at: number): Promise<void> {
  await sleep(Math.max(0, at - Date.now()));
}
