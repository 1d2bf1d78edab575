/**
 * Reads the records of a fetched batch (https://kafka.apache.org/documentation/#record), as kafkajs's own decoder does:
 * without objects for numbers that fit, and with headers read only when somebody asks for them, as text without buffers in between.
 */

/** kafkajs's decoder of one record: `buffer` holds that record alone. */
export type RecordBytes = { buffer: Buffer; offset: number };

export type BatchContext = {
  firstOffset: string;
  firstTimestamp: string;
  maxTimestamp: string;
  magicByte: number;
  isControlBatch?: boolean;
  /** 0: set by the producer, 1: by the broker. */
  timestampType: number;
};

type HeaderValue = Buffer | null;

const LOG_APPEND_TIME = 1;

/** What kafkajs hands on as a message. */
export class FetchedRecord {
  readonly magicByte: number;
  readonly attributes: number;
  readonly timestamp: string;
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;
  private readonly bytes: Buffer;
  private readonly headersAt: number;
  private read: Record<string, HeaderValue | HeaderValue[]> | undefined;

  constructor(bytes: RecordBytes, batch: BatchContext) {
    const reader = new Reader(bytes.buffer, bytes.offset);
    this.batchContext = batch;
    this.magicByte = batch.magicByte;
    this.isControlRecord = batch.isControlBatch ?? false;
    this.attributes = reader.byte();
    const timestampDelta = reader.varint();
    this.timestamp =
      batch.timestampType === LOG_APPEND_TIME && batch.maxTimestamp
        ? batch.maxTimestamp
        : String(Number(batch.firstTimestamp) + timestampDelta);
    this.offset = String(Number(batch.firstOffset) + reader.varint());
    this.key = reader.field();
    this.value = reader.field();
    this.bytes = bytes.buffer;
    this.headersAt = reader.at;
  }

  get headers(): Record<string, HeaderValue | HeaderValue[]> {
    return (this.read ??= readHeaders(new Reader(this.bytes, this.headersAt)));
  }

  /** Headers as text, an absent value as the empty one; of a header that is there several times, the last. */
  textHeaders(): Record<string, string> {
    const headers = new Map<string, string>();
    const reader = new Reader(this.bytes, this.headersAt);
    for (let left = reader.varint(); left > 0; left -= 1) headers.set(reader.text(), reader.text());
    return Object.fromEntries(headers); // defines even what is named __proto__
  }
}

export function decodeRecord(bytes: RecordBytes, batch: BatchContext): FetchedRecord {
  return new FetchedRecord(bytes, batch);
}

/** By name; the values of one that is there several times as a list. */
function readHeaders(reader: Reader): Record<string, HeaderValue | HeaderValue[]> {
  const headers = new Map<string, HeaderValue | HeaderValue[]>();
  for (let left = reader.varint(); left > 0; left -= 1) {
    const name = reader.text();
    const value = reader.field();
    const before = headers.get(name);
    if (before === undefined) headers.set(name, value);
    else headers.set(name, Array.isArray(before) ? [...before, value] : [before, value]);
  }
  return Object.fromEntries(headers); // defines even what is named __proto__
}

class Reader {
  private readonly buffer: Buffer;
  at: number;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
  }

  byte(): number {
    return this.buffer.readInt8(this.at++);
  }

  /** A zigzag number; exact up to 2^53. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.buffer[this.at++];
      if (byte === undefined) throw new RangeError('A record ends in the middle of a number.');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Bytes with their length before them; null for a negative one. */
  field(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    return this.buffer.subarray(this.at, (this.at += length));
  }

  /** The same as text; empty for a negative length. */
  text(): string {
    const length = this.varint();
    return length <= 0 ? '' : this.buffer.toString('utf8', this.at, (this.at += length));
  }
}
