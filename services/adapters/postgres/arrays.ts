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
  size: (value: T) => number;
  write: (buffer: Buffer, at: number, value: T, size: number) => void;
};

/** `text[]`. */
export const textArray = encoderOf<string>({
  oid: OID.text,
  size: (value) => Buffer.byteLength(value),
  write: (buffer, at, value) => buffer.write(value, at),
});

/** `uuid[]`. Throws BelfryError `bad_data` for anything that is no UUID. */
export const uuidArray = encoderOf<string>({
  oid: OID.uuid,
  size: () => 16,
  write: (buffer, at, value) => {
    const hex = value.replaceAll('-', '');
    if (hex.length !== 32 || buffer.write(hex, at, 'hex') !== 16) {
      throw new BelfryError('bad_data', `"${value}" is not a UUID.`);
    }
  },
});

/** `bigint[]`: times, sequence numbers, Kafka offsets. */
export const int8Array = encoderOf<number | bigint>({
  oid: OID.int8,
  size: () => 8,
  write: (buffer, at, value) => buffer.writeBigInt64BE(toInt8(value), at),
});

/** `integer[]`. */
export const int4Array = encoderOf<number>({
  oid: OID.int4,
  size: () => 4,
  write: (buffer, at, value) => buffer.writeInt32BE(value, at),
});

/** `boolean[]`. */
export const boolArray = encoderOf<boolean>({
  oid: OID.bool,
  size: () => 1,
  write: (buffer, at, value) => buffer.writeUInt8(value ? 1 : 0, at),
});

/** `bytea[]`. */
export const byteaArray = encoderOf<Buffer>({
  oid: OID.bytea,
  size: (value) => value.length,
  write: (buffer, at, value) => value.copy(buffer, at),
});

function toInt8(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value;
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new BelfryError('bad_data', `${value} is not a whole number.`);
}

function encoderOf<T>(element: Element<T>): (values: readonly (T | null)[]) => Buffer {
  return (values) => {
    if (values.length === 0) return header(Buffer.alloc(EMPTY_HEADER_BYTES), element.oid, 0);
    const sizes = values.map((value) => (value === null ? 0 : element.size(value)));
    const bytes = sizes.reduce((sum, size) => sum + size + 4, HEADER_BYTES);
    const buffer = header(Buffer.allocUnsafe(bytes), element.oid, values.length);
    let at = HEADER_BYTES;
    for (const [index, value] of values.entries()) {
      const size = sizes[index] as number;
      at = buffer.writeInt32BE(value === null ? -1 : size, at);
      if (value !== null) element.write(buffer, at, value, size);
      at += size;
    }
    return buffer;
  };
}

function header(buffer: Buffer, oid: number, length: number): Buffer {
  buffer.writeInt32BE(length === 0 ? 0 : 1, 0);
  buffer.writeInt32BE(1, 4); // whether there are nulls: the server looks for itself
  buffer.writeInt32BE(oid, 8);
  if (length > 0) buffer.writeInt32BE(1, buffer.writeInt32BE(length, 12));
  return buffer;
}
