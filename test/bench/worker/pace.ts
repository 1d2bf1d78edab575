/** An even load: calls that begin at their time whatever became of those before. */
import { performance } from 'node:perf_hooks';

const TICK_MS = 1;

/**
 * Begins `count` calls, `perSecond` of them a second, and waits for all.
 * @returns how long each took, in ms, in order
 */
export async function paced(
  count: number,
  perSecond: number,
  call: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const begin = performance.now();
  const calls: Promise<number>[] = [];
  while (calls.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - begin) * perSecond) / 1_000));
    while (calls.length < due) calls.push(timed(() => call(calls.length)));
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  return Promise.all(calls);
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await call();
  return performance.now() - begin;
}
