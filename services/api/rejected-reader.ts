/**
 * Reads refused commands for a tenant. What was refused may hold anything: a record is told to a tenant only if nothing in
 * it names another one, neither its key nor its value.
 */
import { z } from 'zod';
import { readRejected, type RejectedPage } from '../client/rejected.ts';
import { BelfryError } from '../core/errors.ts';
import type { ConsumedRecord } from '../core/records.ts';
import type { ApiDeps } from './deps.ts';

/** The whole topic is read each time. */
const AT_ONCE = 2;

/** The latest `limit` of a tenant that are wanted. @throws BelfryError `overloaded` (retryable), `broker_unavailable` */
export type ReadRejected = (
  tenant: string,
  limit: number,
  isWanted: (record: ConsumedRecord) => boolean,
) => Promise<RejectedPage>;

export function rejectedReader({ broker, clock, topics }: Pick<ApiDeps, 'broker' | 'clock' | 'topics'>): ReadRejected {
  let reading = 0;
  return async (tenant, limit, isWanted) => {
    if (reading >= AT_ONCE) {
      throw new BelfryError('overloaded', 'Refused commands are being read already; try again.', { retryable: true });
    }
    reading += 1;
    try {
      const own = (each: ConsumedRecord): boolean => isWanted(each) && isOf(tenant, each);
      return await readRejected({ broker, clock, topic: topics.rejected }, limit, own);
    } finally {
      reading -= 1;
    }
  };
}

/** Avro cannot be looked into here: its key decides, unless that is what it was refused for. */
function isOf(tenant: string, { key, value, headers }: ConsumedRecord): boolean {
  const ofKey = key === null ? undefined : key.toString().split('/')[0];
  const ofValue = tenantIn(value);
  if (ofKey === undefined || headers.belfry_error_code === 'key_mismatch') return ofValue === tenant;
  return ofKey === tenant && (ofValue === undefined || ofValue === tenant);
}

const written = z.looseObject({ tenant: z.string().nullish() });

/** Undefined where it cannot be known. */
function tenantIn(value: Buffer | null): string | undefined {
  try {
    const { data } = written.safeParse(JSON.parse(String(value)));
    return data && (data.tenant ?? 'default');
  } catch {
    return undefined; // no JSON
  }
}
