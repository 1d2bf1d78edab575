/** Kafka's default way from a key to a partition, so that every client, in whatever language, finds the same one. */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/**
 * The partition that Kafka's Java client chooses by default for a key.
 * @param partitions how many there are, at least 1
 */
export function partitionOf(key: string | Buffer, partitions: number): number {
  return partitionHash(key) % partitions;
}

/** murmur2 of a key without its sign bit, as Kafka uses it: in [0, 2^31). */
export function partitionHash(key: string | Buffer): number {
  return murmur2(typeof key === 'string' ? Buffer.from(key) : key) & 0x7fffffff;
}

function murmur2(data: Buffer): number {
  let h = SEED ^ data.length;
  const whole = data.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    const k = Math.imul(data.readInt32LE(i), M);
    h = Math.imul(h, M) ^ Math.imul(k ^ (k >>> 24), M);
  }
  if (data.length > whole) {
    for (let i = data.length - 1; i >= whole; i--) h ^= data[i]! << (8 * (i - whole));
    h = Math.imul(h, M);
  }
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
