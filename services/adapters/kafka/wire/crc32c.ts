/**
 * CRC-32C (Castagnoli), eight bytes at a time ("slicing by 8"): kafkajs's own goes byte by byte, a tenth of a timer's time.
 * Polynomial and test vectors: RFC 3720, B.4.
 */
const POLYNOMIAL = 0x82f63b78; // bits reversed
const SLICES = 8;

const tables: readonly Int32Array[] = makeTables();
const [T0, T1, T2, T3, T4, T5, T6, T7] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** @returns the checksum of `bytes[from, to)`, an unsigned 32-bit number */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = -1;
  let at = from;
  for (; at + SLICES <= to; at += SLICES) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      T7[low & 0xff]! ^
      T6[(low >>> 8) & 0xff]! ^
      T5[(low >>> 16) & 0xff]! ^
      T4[low >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!;
  }
  for (; at < to; at += 1) crc = T0[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Table n tells what a byte does to the checksum that stands n bytes before the end of the slice. */
function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    return crc;
  });
  const made = [first];
  for (let slice = 1; slice < SLICES; slice += 1) {
    const before = made[slice - 1]!;
    made.push(before.map((crc) => first[crc & 0xff]! ^ (crc >>> 8)));
  }
  return made;
}
