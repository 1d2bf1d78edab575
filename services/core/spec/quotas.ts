/** Quotas of a tenant as people write them. */
import type { z } from 'zod';
import type { Quotas } from '../ports/tenants.ts';
import { duration, mapOf, name, record, whole } from './fields.ts';
import { LIMITED_HANDLER, QUEUE } from './names.ts';

const MOST = 1_000_000_000;
const LARGEST_PAYLOAD_BYTES = 256 * 1024;

/** The command line takes null for a quota that goes. */
export const quotasSchema = record('quotas', {
  jobs: whole(0, MOST).nullable().optional(),
  runsPerSecond: whole(1, 100_000).nullable().optional(),
  concurrentRuns: whole(1, 100_000).nullable().optional(),
  handlerRuns: mapOf(LIMITED_HANDLER, whole(1, 100_000), 100).nullable().optional(),
  payloadBytes: whole(2, LARGEST_PAYLOAD_BYTES).nullable().optional(),
  minInterval: duration(1_000).nullable().optional(),
  historyDays: whole(1, 3_650).nullable().optional(),
  queue: name(QUEUE).nullable().optional(),
});

export function quotasOf({ minInterval, ...written }: z.output<typeof quotasSchema>): Partial<Quotas> {
  const own = minInterval === undefined ? written : { ...written, minIntervalMs: minInterval };
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}
