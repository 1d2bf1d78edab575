/** Quotas that whoever runs Belfry gives its tenants, by chance. */
import type { Quotas } from '../../services/core/ports/tenants.ts';
import { LAST_COMMAND_AT } from './life.ts';
import { TENANTS } from './lives.ts';
import type { Random } from './random.ts';

export type QuotaChange = {
  /** Ms after the epoch; 0: before anything begins. */
  at: number;
  tenant: string;
  quotas: Limits;
};
export type Limits = Pick<Quotas, 'concurrentRuns' | 'runsPerSecond' | 'handlerRuns' | 'jobs'>;

const NONE: Limits = { concurrentRuns: null, runsPerSecond: null, handlerRuns: null, jobs: null };

/** Limits from the beginning on, for one tenant or both; some of them change while runs wait. */
export function quotasOf(random: Random): QuotaChange[] {
  const limited = random.chance(0.6) ? [random.pick(TENANTS)] : TENANTS;
  return limited.flatMap((tenant) => [
    { at: 0, tenant, quotas: limitsOf(random) },
    ...(random.chance(0.3)
      ? [{ at: random.int(4_000, LAST_COMMAND_AT), tenant, quotas: random.chance(0.5) ? NONE : limitsOf(random) }]
      : []),
  ]);
}

function limitsOf(random: Random): Limits {
  const handlers = ['quick', 'slow', 'flaky', 'transaction'].filter(() => random.chance(0.5));
  return {
    // With one place for all, long runs in a row would outlast the wait for quiet.
    concurrentRuns: random.chance(0.5) ? random.int(2, 3) : null,
    runsPerSecond: random.chance(0.4) ? random.int(1, 3) : null,
    handlerRuns: random.chance(0.5) ? Object.fromEntries(handlers.map((name) => [name, random.int(1, 2)])) : null,
    jobs: random.chance(0.3) ? random.int(1, 4) : null,
  };
}
