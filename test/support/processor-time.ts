/**
 * How much of the processor some work takes, for tests that bound a cost.
 *
 * The thread's own processor time, and the least of several tries: what else runs on the machine, or is collected or
 * compiled in between, only adds to them.
 */
const TRIES = 5;

/**
 * @param enoughMs a try below this is not repeated
 * @returns what the last try answered, and the least that a try took, in ms of processor time
 */
export function timed<T>(work: () => T, enoughMs = 0): { result: T; ms: number } {
  let [least, result] = [Infinity, undefined as T];
  for (let tries = 0; tries < TRIES && least > enoughMs; tries++) {
    const begun = process.threadCpuUsage();
    result = work();
    const { user, system } = process.threadCpuUsage(begun);
    least = Math.min(least, (user + system) / 1_000);
  }
  return { result, ms: least };
}
