/**
 * The body of an outbox row: ready-made records one after the other, so that a new owner produces what the former one
 * left without knowing how it was made. Layout of a record, integers big-endian:
 * u32 head length · i32 key length · i32 value length (-1: null) · head (JSON: topic, partition, headers) · key · value.
 */
import type { OutgoingRecord } from './records.ts';

export function encodeOutbox(records: readonly OutgoingRecord[]): Buffer {
  const parts: Buffer[] = [];
  for (const { topic, partition, headers, key, value } of records) {
    const head = Buffer.from(JSON.stringify([topic, partition, headers]));
    const lengths = Buffer.allocUnsafe(12);
    lengths.writeUInt32BE(head.length, 0);
    lengths.writeInt32BE(key?.length ?? -1, 4);
    lengths.writeInt32BE(value?.length ?? -1, 8);
    parts.push(lengths, head);
    if (key !== null) parts.push(key);
    if (value !== null) parts.push(value);
  }
  return Buffer.concat(parts);
}

export function decodeOutbox(body: Buffer): OutgoingRecord[] {
  const records: OutgoingRecord[] = [];
  let at = 0;
  const take = (length: number): Buffer => body.subarray(at, (at += length));
  while (at < body.length) {
    const lengths = take(12);
    const [keyLength, valueLength] = [lengths.readInt32BE(4), lengths.readInt32BE(8)];
    const [topic, partition, headers] = JSON.parse(take(lengths.readUInt32BE(0)).toString()) as [
      string,
      number,
      Record<string, string>,
    ];
    const key = keyLength < 0 ? null : take(keyLength);
    const value = valueLength < 0 ? null : take(valueLength);
    records.push({ topic, partition, headers, key, value });
  }
  return records;
}
