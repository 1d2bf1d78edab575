/** CLOCK_MONOTONIC, which all processes of a machine share and nobody sets, and its relation to the time of day. */

export function steadyMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const LOOK_FOR_MS = 3;

/** @returns what to add to steady time for the time of day: ms, to some microseconds */
export function dayOffset(): number {
  let best = -Infinity;
  // Date.now() is cut to whole ms: the largest difference is the one just after it went on.
  for (const endAt = steadyMs() + LOOK_FOR_MS; steadyMs() < endAt;) best = Math.max(best, Date.now() - steadyMs());
  return best;
}
