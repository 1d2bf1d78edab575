/** Calls that two at a time are under way of, so that a client does not rest while the server commits what it got. */
const UNDER_WAY = 2;

/**
 * @param call takes a slice of `count` items: the index of its first, and how many it has
 * @throws what the first call that failed threw
 */
export async function inSlices(
  count: number,
  slice: number,
  call: (from: number, size: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const from = next;
      next += slice;
      await call(from, Math.min(slice, count - from));
    }
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, work));
}
