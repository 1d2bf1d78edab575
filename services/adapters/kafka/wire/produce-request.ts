/**
 * Encodes Produce requests, version 3 and those alike (https://kafka.apache.org/protocol#The_Messages_Produce, and
 * https://kafka.apache.org/documentation/#recordbatch): all of a request in one buffer of the right size.
 *
 * kafkajs makes several zero-filled buffers of 512 bytes for every record and every header, and numbers of 64 bits as
 * objects: with the headers of an outcome that was a quarter of an executor's time.
 */
import { crc32c } from './crc32c.ts';

type Bytes = Buffer | string | null | undefined;
type HeaderValue = Buffer | string | null | undefined;

export type ProduceMessage = {
  key?: Bytes;
  value: Bytes;
  headers?: Record<string, HeaderValue | HeaderValue[]>;
  /** Milliseconds; now unless given. */
  timestamp?: string | number;
};

type PartitionData = { partition: number; firstSequence?: number; messages: readonly ProduceMessage[] };

export type ProduceRequest = {
  acks: number;
  timeout: number;
  transactionalId?: string | null;
  /** A 64-bit number: text, or kafkajs's Long. */
  producerId?: string | number | { value: bigint };
  producerEpoch?: number;
  topicData: readonly { topic: string; partitions: readonly PartitionData[] }[];
};

type Header = { name: string; nameBytes: number; value: HeaderValue; valueBytes: number };
type Sized = { message: ProduceMessage; timestamp: number; keyBytes: number; valueBytes: number; headers: Header[] };
type Batch = {
  partition: number;
  firstSequence: number;
  first: number;
  max: number;
  records: Sized[];
  sizes: number[];
};

const MAGIC = 2;
const TRANSACTIONAL = 16;
/** From the batch's base offset up to its first record. */
const BATCH_HEAD_BYTES = 61;
/** What the batch's own length does not count: base offset and that length. */
const BATCH_UNCOUNTED_BYTES = 12;
/** Where, in a batch, the part begins that the checksum covers: the attributes. */
const CRC_COVERS_FROM = 21;
const CRC_AT = 17;
const NULL = -1;

/** The body of the request; `now` is the timestamp of records that bring none. */
export function encodeProduce(request: ProduceRequest, now: number): Buffer {
  const topics = request.topicData.map(({ topic, partitions }) => ({
    topic,
    batches: partitions.map((data) => measure(data, now)),
  }));
  let size = stringSize(request.transactionalId) + 2 + 4 + 4;
  for (const { topic, batches } of topics) {
    size += stringSize(topic) + 4;
    for (const batch of batches) size += 8 + batchSize(batch);
  }
  const writer = new Writer(size);
  writer.string(request.transactionalId);
  writer.int16(request.acks);
  writer.int32(request.timeout);
  writer.int32(topics.length);
  for (const { topic, batches } of topics) {
    writer.string(topic);
    writer.int32(batches.length);
    for (const batch of batches) writeBatch(writer, batch, request);
  }
  return writer.buffer;
}

function measure({ partition, firstSequence = 0, messages }: PartitionData, now: number): Batch {
  let first = Infinity;
  let max = -Infinity;
  const records = messages.map((message) => {
    const timestamp = message.timestamp === undefined ? now : Number(message.timestamp);
    first = Math.min(first, timestamp);
    max = Math.max(max, timestamp);
    const { key, value } = message;
    return { message, timestamp, keyBytes: bytesOf(key), valueBytes: bytesOf(value), headers: headersOf(message) };
  });
  const sizes = records.map((record, index) => bodySize(record, index, record.timestamp - first));
  return { partition, firstSequence, first, max, records, sizes };
}

function headersOf({ headers }: ProduceMessage): Header[] {
  if (headers === undefined) return [];
  const found: Header[] = [];
  for (const name of Object.keys(headers)) {
    const given = headers[name];
    for (const value of Array.isArray(given) ? given : [given])
      found.push({ name, nameBytes: Buffer.byteLength(name), value, valueBytes: bytesOf(value) });
  }
  return found;
}

function bodySize({ keyBytes, valueBytes, headers }: Sized, offsetDelta: number, timestampDelta: number): number {
  let size = 1 + varintSize(timestampDelta) + varintSize(offsetDelta);
  size += fieldSize(keyBytes) + fieldSize(valueBytes) + varintSize(headers.length);
  for (const header of headers) size += fieldSize(header.nameBytes) + fieldSize(header.valueBytes);
  return size;
}

function batchSize({ sizes }: Batch): number {
  return sizes.reduce((sum, size) => sum + varintSize(size) + size, BATCH_HEAD_BYTES);
}

function writeBatch(
  writer: Writer,
  batch: Batch,
  { transactionalId, producerId, producerEpoch }: ProduceRequest,
): void {
  const size = batchSize(batch);
  writer.int32(batch.partition);
  writer.int32(size);
  const begin = writer.at;
  writer.int64(0n);
  writer.int32(size - BATCH_UNCOUNTED_BYTES);
  writer.int32(0); // the leader's epoch: the broker's to set
  writer.int8(MAGIC);
  writer.int32(0); // the checksum, set below
  writer.int16(transactionalId ? TRANSACTIONAL : 0);
  writer.int32(batch.records.length - 1);
  writer.int64(BigInt(batch.first));
  writer.int64(BigInt(batch.max));
  writer.int64(toBigInt(producerId ?? NULL));
  writer.int16(producerEpoch ?? 0);
  writer.int32(batch.firstSequence);
  writer.int32(batch.records.length);
  batch.records.forEach((record, index) => {
    writer.varint(batch.sizes[index]!);
    writeRecord(writer, record, index, record.timestamp - batch.first);
  });
  writer.buffer.writeUInt32BE(crc32c(writer.buffer, begin + CRC_COVERS_FROM, begin + size), begin + CRC_AT);
}

function writeRecord(writer: Writer, record: Sized, offsetDelta: number, timestampDelta: number): void {
  writer.int8(0); // attributes, none defined
  writer.varint(timestampDelta);
  writer.varint(offsetDelta);
  writer.field(record.message.key, record.keyBytes);
  writer.field(record.message.value, record.valueBytes);
  writer.varint(record.headers.length);
  for (const { name, nameBytes, value, valueBytes } of record.headers) {
    writer.field(name, nameBytes);
    writer.field(value, valueBytes);
  }
}

class Writer {
  readonly buffer: Buffer;
  at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  int8(value: number): void {
    this.at = this.buffer.writeInt8(value, this.at);
  }

  int16(value: number): void {
    this.at = this.buffer.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.buffer.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.buffer.writeBigInt64BE(value, this.at);
  }

  /** A signed number, zigzag; any whole number that is safe. */
  varint(value: number): void {
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) this.buffer[this.at++] = (rest & 0x7f) | 0x80;
    this.buffer[this.at++] = rest;
  }

  /** Bytes with their length before them; a length of -1 for none. */
  field(value: Bytes, bytes: number): void {
    this.varint(bytes);
    if (bytes <= 0) return;
    if (typeof value === 'string') this.buffer.write(value, this.at);
    else this.buffer.set(value!, this.at);
    this.at += bytes;
  }

  string(value: string | null | undefined): void {
    if (value === null || value === undefined) return this.int16(NULL);
    const bytes = Buffer.byteLength(value);
    this.int16(bytes);
    this.at += this.buffer.write(value, this.at);
  }
}

function bytesOf(value: Bytes): number {
  if (value === null || value === undefined) return NULL;
  return typeof value === 'string' ? Buffer.byteLength(value) : value.length;
}

function fieldSize(bytes: number): number {
  return varintSize(bytes) + Math.max(0, bytes);
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value < 0 ? -2 * value - 1 : 2 * value; rest > 0x7f; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

function stringSize(value: string | null | undefined): number {
  return 2 + Math.max(0, bytesOf(value));
}

function toBigInt(value: string | number | { value: bigint }): bigint {
  return typeof value === 'object' ? value.value : BigInt(value);
}
