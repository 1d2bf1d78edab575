/** Rejected records for people: found in the index, their bytes read where they came from. */
import { BelfryError } from '../core/errors.ts';
import type { Broker, TailOptions } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { RejectedFilter, Rejections } from '../core/ports/rejections.ts';
import type { ConsumedRecord } from '../core/records.ts';
import { originAt, placeOf, type Origin, type RejectedRecord } from '../core/rejected-record.ts';
import { formatInstant } from '../core/spec/instant.ts';
import type { Topics } from '../core/topics.ts';

const READ_WITHIN_MS = 10_000;
/** The record is written a moment after it was rejected, by another clock. */
const BEFORE_MS = 60_000;

/** `place`: partition and offset where it was read, `3-17`; with the topic before it where that is not job.commands. */
export type RejectedCommand = {
  place: string;
  at: string;
  error: { code: string; message: string };
  tenant: string | null;
  jobId: string | null;
  commandId: string | null;
  key: string | null;
  /** As text; the bytes may be Avro, or no text at all. */
  value: string | null;
  valueBase64: string | null;
  /** Bytes of the value; null: a tombstone. */
  size: number | null;
  /** Whether `value` is only the beginning of it. */
  truncated: boolean;
  headers: Readonly<Record<string, string>>;
};

/** `more`: there are others than these. */
export type RejectedPage = { rejected: RejectedCommand[]; more: boolean };

export type RejectedDeps = {
  rejections: Pick<Rejections, 'list' | 'find'>;
  /** Asked only for values that are longer than what the index has. */
  broker: () => Pick<Broker, 'partitions' | 'tail' | 'logRange'>;
  clock: Clock;
  topics: Pick<Topics, 'commands' | 'rejected'>;
};

/**
 * @param limit the latest so many
 * @returns the latest first, each with the beginning of its value
 * @throws BelfryError `not_migrated`, `store_unavailable`
 */
export async function listRejected(
  { rejections, topics }: Pick<RejectedDeps, 'rejections' | 'topics'>,
  filter: RejectedFilter,
  limit: number,
): Promise<RejectedPage> {
  const found = await rejections.list(filter, limit + 1);
  return { rejected: found.slice(0, limit).map((each) => commandOf(each, topics)), more: found.length > limit };
}

/** @param tenant whose it is; undefined: anybody's. @returns undefined: there is none */
export async function findRejected(
  { rejections, topics }: Pick<RejectedDeps, 'rejections' | 'topics'>,
  place: string,
  tenant?: string,
): Promise<RejectedRecord | undefined> {
  const origin = originAt(place, topics.commands);
  const found = origin && (await rejections.find(origin));
  return tenant === undefined || found?.tenant === tenant ? found : undefined;
}

/** Whether its bytes are to be read from Kafka: the index has the beginning alone. */
export function isCut({ size, excerpt }: RejectedRecord): boolean {
  return size !== null && size > (excerpt?.length ?? 0);
}

/**
 * A rejected record as it came.
 * @returns only the beginning of the value (`truncated`) where Kafka keeps the rest no longer
 * @throws BelfryError `broker_unavailable`, `no_answer`
 */
export async function readRejected(deps: RejectedDeps, found: RejectedRecord): Promise<RejectedCommand> {
  const told = commandOf(found, deps.topics);
  if (!isCut(found)) return told;
  const record = await recordOf(deps, found);
  if (record === undefined) return told;
  const { key, value, headers } = record;
  const { belfry_error_code: _code, belfry_error_message: _message, ...own } = headers;
  return { ...told, ...bytesOf(key, value), truncated: false, headers: { ...own, ...told.headers } };
}

function commandOf(found: RejectedRecord, topics: Pick<Topics, 'commands'>): RejectedCommand {
  const { topic, partition, offset, at, code, message, tenant, jobId, commandId, key, size, excerpt } = found;
  return {
    place: placeOf(found, topics.commands),
    at: formatInstant(at),
    error: { code, message },
    ...{ tenant, jobId, commandId },
    ...bytesOf(key, excerpt),
    size,
    truncated: isCut(found),
    headers: {
      belfry_origin_topic: topic,
      belfry_origin_partition: String(partition),
      belfry_origin_offset: String(offset),
    },
  };
}

function bytesOf(key: Buffer | null, value: Buffer | null): Pick<RejectedCommand, 'key' | 'value' | 'valueBase64'> {
  return {
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    valueBase64: value?.toString('base64') ?? null,
  };
}

/** From the topic that it came from; what came by a table stands on job.commands.rejected alone. */
async function recordOf(deps: RejectedDeps, { at, ...origin }: RejectedRecord): Promise<ConsumedRecord | undefined> {
  const { topics } = deps;
  const broker = deps.broker();
  if ((await broker.partitions(origin.topic)) === undefined)
    return firstOf(deps, topics.rejected, { timestampMs: at - BEFORE_MS }, (each) => isFrom(each, origin));
  const ranges = await broker.logRange(origin.topic);
  const range = ranges.get(origin.partition);
  if (range === undefined || origin.offset < range.first || origin.offset >= range.end) return undefined;
  const offsets = new Map([...ranges].map(([partition, { end }]) => [partition, end]));
  const from = { offsets: offsets.set(origin.partition, origin.offset) };
  return firstOf(
    deps,
    origin.topic,
    from,
    ({ partition, offset }) => partition === origin.partition && offset === origin.offset,
  );
}

function isFrom({ headers }: ConsumedRecord, { topic, partition, offset }: Origin): boolean {
  return (
    headers.belfry_origin_topic === topic &&
    headers.belfry_origin_partition === String(partition) &&
    headers.belfry_origin_offset === String(offset)
  );
}

/** The first record that is wanted of those that stand on a topic. */
async function firstOf(
  { broker, clock }: RejectedDeps,
  topic: string,
  from: TailOptions['from'],
  isWanted: (record: ConsumedRecord) => boolean,
): Promise<ConsumedRecord | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<ConsumedRecord | undefined>();
  const cancel = clock.after(READ_WITHIN_MS, () =>
    reject(new BelfryError('no_answer', `Kafka did not answer in time for ${topic}.`, { retryable: true })),
  );
  promise.catch(() => undefined); // heard below; not unhandled when the tail cannot be opened
  try {
    const tail = await broker().tail({
      ...{ topics: [topic], from, isolation: 'read_uncommitted' },
      onRecord: (record) => {
        if (isWanted(record)) resolve(record);
      },
      onCaughtUp: () => resolve(undefined),
    });
    try {
      return await promise;
    } finally {
      await tail.close();
    }
  } finally {
    cancel();
  }
}
