/**
 * Arrays as parameters, in PostgreSQL's binary format: no quoting here and no parsing there, which for batches of JSON
 * and bytes costs more than the statement itself. node-postgres sends a Buffer as a binary parameter.
 *
 * Layout, integers big-endian: dimensions (1, or 0 when empty) · has nulls · element type; then length · lower bound;
 * then each element as its length (-1: null) and its bytes.
 */
import { BelfryError } from '../../core/errors.ts';

const OID = { bool: 16, bytea: 17, int8: 20, int4: 23, text: 25, uuid: 2950 } as const;
const HEADER_BYTES = 20;
const EMPTY_HEADER_BYTES = 12;

type Element<T> = {
  oid: number;
  /** Bytes that a value needs at the most. */
  room: (value: T) => number;
  /** Answers the bytes that it took. */
  write: (buffer: Buffer, value: T, at: number) => number;
};

/** `text[]`. Throws BelfryError `bad_data` for halves of surrogate pairs: UTF-8 has none, and a name must not be stored as another one. */
export const textArray = encoderOf<string>({
  oid: OID.text,
  room: (value) => 3 * value.length, // so that one pass does: a UTF-16 unit takes three bytes of UTF-8 at the most
  write: (buffer, value, at) => {
    if (!value.isWellFormed()) throw new BelfryError('bad_data', `${JSON.stringify(value)} is no Unicode text.`);
    return buffer.write(value, at);
  },
});

/** `uuid[]`. Throws BelfryError `bad_data` for anything that is no UUID. */
export const uuidArray = encoderOf<string>({
  oid: OID.uuid,
  room: () => 16,
  write: (buffer, value, at) => {
    const hex = value.replaceAll('-', '');
    if (hex.length === 32 && buffer.write(hex, at, 'hex') === 16) return 16;
    throw new BelfryError('bad_data', `"${value}" is not a UUID.`);
  },
});

/** `bigint[]`: times, sequence numbers, Kafka offsets. Throws BelfryError `bad_data` for a number that is not whole. */
export const int8Array = encoderOf<number | bigint>({
  oid: OID.int8,
  room: () => 8,
  write: (buffer, value, at) => {
    if (typeof value === 'bigint') return buffer.writeBigInt64BE(value, at) - at;
    if (!Number.isSafeInteger(value)) throw new BelfryError('bad_data', `${value} is not a whole number.`);
    const high = Math.floor(value / 2 ** 32); // two halves: making a BigInt of each number would take longer
    return buffer.writeUInt32BE(value - high * 2 ** 32, buffer.writeInt32BE(high, at)) - at;
  },
});

/** `integer[]`. Throws BelfryError `bad_data` for a number that is not whole, or too large. */
export const int4Array = encoderOf<number>({
  oid: OID.int4,
  room: () => 4,
  write: (buffer, value, at) => {
    if ((value | 0) !== value) throw new BelfryError('bad_data', `${value} does not fit an integer.`);
    return buffer.writeInt32BE(value, at) - at;
  },
});

/** `boolean[]`. */
export const boolArray = encoderOf<boolean>({
  oid: OID.bool,
  room: () => 1,
  write: (buffer, value, at) => buffer.writeUInt8(value ? 1 : 0, at) - at,
});

/** `bytea[]`. */
export const byteaArray = encoderOf<Buffer>({
  oid: OID.bytea,
  room: (value) => value.length,
  write: (buffer, value, at) => value.copy(buffer, at),
});

function encoderOf<T>(element: Element<T>): (values: readonly (T | null)[]) => Buffer {
  return (values) => {
    if (values.length === 0) return header(Buffer.alloc(EMPTY_HEADER_BYTES), element.oid, 0);
    let bytes = HEADER_BYTES;
    for (const value of values) bytes += 4 + (value === null ? 0 : element.room(value));
    const buffer = header(Buffer.allocUnsafe(bytes), element.oid, values.length);
    let at = HEADER_BYTES;
    for (const value of values) {
      const size = value === null ? 0 : element.write(buffer, value, at + 4);
      at = buffer.writeInt32BE(value === null ? -1 : size, at) + size;
    }
    return buffer.subarray(0, at);
  };
}

function header(buffer: Buffer, oid: number, length: number): Buffer {
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(1, 4); // whether there are nulls: the server looks for itself
  buffer.writeInt32BE(oid, 8);
  if (length > 0) buffer.writeInt32BE(1, buffer.writeInt32BE(length, 12));
  return buffer;
}
