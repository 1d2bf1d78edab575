/** One or two webhooks of a tenant, by chance. */
import type { KnownWebhook } from '../checker/history.ts';
import { LAST_COMMAND_AT } from './life.ts';
import { TENANTS } from './lives.ts';
import type { Random } from './random.ts';

/** Times are ms after the epoch of its world. */
export type PlannedWebhook = KnownWebhook;

const STATUSES = ['COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED'] as const;

/** @param jobIds of jobs that some of them ask for */
export function webhooksOf(random: Random, jobIds: readonly string[]): PlannedWebhook[] {
  const tenant = random.pick(TENANTS);
  return Array.from({ length: random.int(1, 2) }, (_, index) => {
    const from = random.chance(0.5) ? 0 : random.int(0, 15_000);
    const until = random.chance(0.25) ? random.int(from, LAST_COMMAND_AT) : null;
    const chosen = STATUSES.filter(() => random.chance(0.6));
    const statuses = chosen.length > 0 ? chosen : STATUSES;
    const jobs = random.chance(0.3) ? jobIds.filter(() => random.chance(0.5)) : [];
    return { tenant, id: `hook-${index + 1}`, from, until, statuses, jobs };
  });
}
