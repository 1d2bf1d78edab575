/** Waits between tries at something that is away: 100 ms, doubling up to 2 s. */
export function backoffMs(failures: number): number {
  return Math.min(100 * 2 ** Math.min(failures - 1, 10), 2_000);
}
