/** kafkajs's batches and messages in our terms. */
import type { Batch, IHeaders, KafkaMessage } from 'kafkajs';
import type { FetchedBatch } from '../../core/ports/broker.ts';
import type { ConsumedRecord } from '../../core/records.ts';
import { FetchedRecord } from './wire/record-decoder.ts';

export function toFetchedBatch(batch: Batch, fetchedOffset: bigint, nextOffset: bigint): FetchedBatch {
  const { topic, partition } = batch;
  const highWatermark = BigInt(batch.highWatermark);
  const records = batch.messages.map((message) => toRecord(topic, partition, message));
  return { topic, partition, fetchedOffset, nextOffset, highWatermark, records };
}

function toRecord(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
  const { key, value, offset, timestamp } = message;
  const headers = message instanceof FetchedRecord ? message.textHeaders() : toHeaders(message.headers ?? {});
  return { topic, partition, offset: BigInt(offset), timestampMs: Number(timestamp), key, value, headers };
}

/** The same as `textHeaders`, of what kafkajs decoded by itself. */
function toHeaders(headers: IHeaders): Record<string, string> {
  const text: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    const last = Array.isArray(value) ? value.at(-1) : value;
    // kafkajs gives undefined or null for a header without a value.
    text[name] = last?.toString() ?? '';
  }
  return text;
}
