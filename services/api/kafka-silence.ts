/** An answer of Kafka's counts for so long: it is asked again, and may be slow, before it does not. */
const VALID_MS = 12_000;

/**
 * Why no command can be sent right now, for `/readyz`: pure.
 * @param answeredAt when Kafka last answered the client that sends commands, ms; undefined: never
 */
export function kafkaSilence(answeredAt: number | undefined, now: number): string[] {
  if (answeredAt === undefined) return ['the client that sends commands has not reached Kafka yet'];
  const silentMs = now - answeredAt;
  if (silentMs <= VALID_MS) return [];
  return [`Kafka has not answered for ${Math.floor(silentMs / 1_000)} s: no command can be sent`];
}
