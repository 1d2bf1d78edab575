/**
 * What a start has opened so far, so that one that throws half way leaves nothing open:
 *
 *   await using opened = new AsyncDisposableStack();
 *   const server = await keepOpen(opened, startServer(), () => server.stop());
 *   …
 *   return new Thing(server, opened.move());   // closed by the thing from here on
 */

/** Waits for what is being opened; from then on `opened` closes it, before all that was opened earlier. */
export async function keepOpen<T>(
  opened: AsyncDisposableStack,
  opening: Promise<T>,
  close: (thing: T) => Promise<unknown>,
): Promise<T> {
  const thing = await opening;
  opened.defer(async () => void (await close(thing)));
  return thing;
}

/** As `Promise.all`, but it throws only when everything has ended: what is still being opened then is closed, too. */
export async function allEnded<T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}
