/** The limits of a tenant that hold over the whole deployment: their names and what they say. Pure. */
import type { Limit } from './ports/run-store.ts';
import type { Quotas } from './ports/tenants.ts';

/** The name under which a tenant's runs have places. */
export function concurrencyOf(tenant: string): string {
  return `tenant/${tenant}`;
}

/** The name under which a tenant's starts are counted. */
export function rateOf(tenant: string): string {
  return `rate/${tenant}`;
}

/** The names under which runs of a tenant's handlers have places begin with this; the rest is the handler's. */
export function handlersOf(tenant: string): string {
  return `handler/${tenant}/`;
}

/** What must have room for a run of the tenant to start, whatever it runs. */
export function limitsOfTenant(
  tenant: string,
  { concurrentRuns, runsPerSecond }: Pick<Quotas, 'concurrentRuns' | 'runsPerSecond'>,
): Limit[] {
  return [
    ...(concurrentRuns === null ? [] : [{ name: concurrencyOf(tenant), most: concurrentRuns }]),
    ...(runsPerSecond === null ? [] : [{ name: rateOf(tenant), most: runsPerSecond, perSecond: true }]),
  ];
}

/** What must have room, by handler. */
export function limitsOfHandlers(tenant: string, { handlerRuns }: Pick<Quotas, 'handlerRuns'>): Map<string, Limit> {
  const limits = Object.entries(handlerRuns ?? {}).map(([handler, most]) => {
    return [handler, { name: `${handlersOf(tenant)}${handler}`, most }] as const;
  });
  return new Map(limits);
}
