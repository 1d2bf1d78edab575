/** A rejected record as the index of job.commands.rejected has it: whose it is, why, and the beginning of its bytes. Pure. */
import type { ConsumedRecord, RejectionCode } from './records.ts';
import type { CommandHead } from './spec/parse-command.ts';
import { TENANT } from './spec/names.ts';
import { storedText } from './stored-text.ts';
import { parseJobKey } from './topics.ts';

/** As long as job.commands.rejected keeps the bytes. */
export const REJECTED_KEPT_MS = 7 * 86_400_000;
/** So many are kept of one tenant, the latest. */
export const MAX_REJECTED_PER_TENANT = 1_000;
const MAX_EXCERPT_BYTES = 1_024;
const MAX_KEY_BYTES = 512;
const MAX_MESSAGE_CHARACTERS = 1_024;

/** The topic, as it were, of commands that came by the table of that name. */
export const ENQUEUED_ORIGIN = 'enqueued';

export type RejectedRecord = {
  /** Where the record was read: a topic, or ENQUEUED_ORIGIN. */
  topic: string;
  partition: number;
  offset: bigint;
  /** Whose it is; null: it does not say, or its key says another than its value. */
  tenant: string | null;
  jobId: string | null;
  commandId: string | null;
  code: RejectionCode;
  message: string;
  /** ms */
  at: number;
  /** The beginning of the key. */
  key: Buffer | null;
  /** Bytes of the value; null: a tombstone. */
  size: number | null;
  /** The beginning of the value. */
  excerpt: Buffer | null;
};

/**
 * @param rejection why
 * @param head what its value says of itself, as far as that is valid
 * @param at when it was rejected, ms
 */
export function rejectedRecordOf(
  record: ConsumedRecord,
  rejection: { code: RejectionCode; message: string },
  head: CommandHead,
  at: number,
): RejectedRecord {
  const { topic, partition, offset, key, value } = record;
  return {
    ...{ topic, partition, offset, at },
    ...ownerOf(record, rejection.code, head),
    commandId: head.commandId ?? null,
    code: rejection.code,
    message: storedText(rejection.message.slice(0, MAX_MESSAGE_CHARACTERS)),
    key: key === null ? null : key.subarray(0, MAX_KEY_BYTES),
    size: value === null ? null : value.length,
    excerpt: value === null ? null : value.subarray(0, MAX_EXCERPT_BYTES),
  };
}

/** A record is told to a tenant only if nothing in it names another one; a wrong key is what `key_mismatch` is about. */
function ownerOf(
  { key }: ConsumedRecord,
  code: RejectionCode,
  { tenant, jobId }: CommandHead,
): Pick<RejectedRecord, 'tenant' | 'jobId'> {
  const written = key === null || code === 'key_mismatch' ? undefined : parseJobKey(key.toString());
  const ofKey = written !== undefined && TENANT.holds(written.tenant) ? written : undefined;
  const [ofKeyTenant, ofKeyJob] = [ofKey?.tenant, ofKey && storedText(ofKey.jobId).slice(0, 200)];
  if (ofKeyTenant !== undefined && tenant !== undefined && ofKeyTenant !== tenant) return { tenant: null, jobId: null };
  return { tenant: tenant ?? ofKeyTenant ?? null, jobId: jobId ?? ofKeyJob ?? null };
}

/** Where a rejected record came from, as people write it: `3-17` on job.commands, with the topic before it elsewhere. */
export function placeOf({ topic, partition, offset }: Origin, commandsTopic: string): string {
  return topic === commandsTopic ? `${partition}-${offset}` : `${topic}-${partition}-${offset}`;
}

export type Origin = Pick<RejectedRecord, 'topic' | 'partition' | 'offset'>;

const PLACE = /^(?:([A-Za-z0-9._-]{1,249})-)?(\d{1,9})-(\d{1,18})$/;

/** Undefined: the text is no place. */
export function originAt(place: string, commandsTopic: string): Origin | undefined {
  const [matched, topic = commandsTopic, partition, offset] = PLACE.exec(place) ?? [];
  return matched === undefined ? undefined : { topic, partition: Number(partition), offset: BigInt(offset!) };
}

export function isPlace(text: string): boolean {
  return PLACE.test(text);
}
