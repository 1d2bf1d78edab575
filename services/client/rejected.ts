/** Refused commands, as they stand on job.commands.rejected. */
import { BelfryError } from '../core/errors.ts';
import type { Broker } from '../core/ports/broker.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ConsumedRecord } from '../core/records.ts';
import { formatInstant } from '../core/spec/instant.ts';

const READ_WITHIN_MS = 60_000;
const MOST_BYTES = 64 * 1024 * 1024;

/** `place`: partition and offset on the topic, `3-17`. */
export type RejectedCommand = {
  place: string;
  at: string;
  error: { code: string; message: string };
  key: string | null;
  /** As text; the bytes may be Avro, or no text at all. */
  value: string | null;
  valueBase64: string | null;
  headers: Readonly<Record<string, string>>;
};

/** `more`: there are others than these. */
export type RejectedPage = { rejected: RejectedCommand[]; more: boolean };

type Deps = { broker: Broker; clock: Clock; topic: string };

/**
 * Reads all that is kept of the topic.
 * @param isWanted which records
 * @param limit the latest so many
 * @returns the latest first
 * @throws BelfryError `not_migrated`, `no_answer`, `broker_unavailable`
 */
export async function readRejected(
  { broker, clock, topic }: Deps,
  limit: number,
  isWanted: (record: ConsumedRecord) => boolean = () => true,
): Promise<RejectedPage> {
  if ((await broker.partitions(topic)) === undefined) {
    const message = `The topic ${topic} does not exist: run "belfry migrate", or check KAFKA_BROKERS and BELFRY_TOPIC_PREFIX.`;
    throw new BelfryError('not_migrated', message);
  }
  const latest = new Latest(limit);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = clock.after(READ_WITHIN_MS, () =>
    reject(new BelfryError('no_answer', `Kafka did not answer in time for ${topic}.`, { retryable: true })),
  );
  const tail = await broker.tail({
    topics: [topic],
    from: 'beginning',
    isolation: 'read_uncommitted',
    onRecord: (record) => isWanted(record) && latest.add(record),
    onCaughtUp: resolve,
  });
  try {
    await promise;
  } finally {
    cancel();
    await tail.close();
  }
  return { rejected: latest.sorted().map(rejectedOf), more: latest.hasDropped };
}

/** The latest records, as many as were asked for and as memory holds. */
class Latest {
  hasDropped = false;
  private bytes = 0;
  private records: ConsumedRecord[] = [];
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  add(record: ConsumedRecord): void {
    this.records.push(record);
    this.bytes += record.value?.length ?? 0;
    // Partitions are read one beside another: not before there are twice as many is it worth sorting them.
    if (this.records.length >= 2 * this.limit || this.bytes > MOST_BYTES) this.trim();
  }

  sorted(): readonly ConsumedRecord[] {
    this.trim();
    return this.records;
  }

  private trim(): void {
    const all = this.records.sort((a, b) => b.timestampMs - a.timestampMs || Number(b.offset - a.offset));
    this.records = [];
    this.bytes = 0;
    for (const record of all) {
      const size = record.value?.length ?? 0;
      if (this.records.length === this.limit || (this.bytes + size > MOST_BYTES / 2 && this.records.length > 0)) break;
      this.records.push(record);
      this.bytes += size;
    }
    this.hasDropped ||= this.records.length < all.length;
  }
}

function rejectedOf(record: ConsumedRecord): RejectedCommand {
  const { belfry_error_code: code = '-', belfry_error_message: message = '', ...headers } = record.headers;
  return {
    place: placeOf(record),
    at: formatInstant(record.timestampMs),
    error: { code, message },
    key: record.key?.toString() ?? null,
    value: record.value?.toString() ?? null,
    valueBase64: record.value?.toString('base64') ?? null,
    headers,
  };
}

export function placeOf({ partition, offset }: Pick<ConsumedRecord, 'partition' | 'offset'>): string {
  return `${partition}-${offset}`;
}
