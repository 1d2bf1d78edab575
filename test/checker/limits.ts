/**
 * I9: limits on the runs of a key, of a tenant and of its handlers, as a sink outside Belfry sees them.
 *
 * Executors know a tenant's limits as they were a while ago: what it was allowed at some time before is allowed.
 */
import { jobKey, parseJobKey } from '../../services/core/topics.ts';
import { Faults } from './calls.ts';
import { clockTime, type Call, type History, type QuotaChange, type Violation } from './history.ts';
import type { CheckOptions } from './options.ts';

/** A call, and how many runs its group may have at the time when it begins. */
type Limited = { call: Call; limit: number };
type Quotas = QuotaChange['quotas'];

export function checkLimits(history: History, options: CheckOptions): Violation[] {
  const faults = new Faults(history.faults, history.healedAt, options.thawMs);
  const tenants = new Tenants(history.quotas ?? []);
  return [
    ...byKey(history).flatMap(([key, calls]) => [...tooMany(`with the key ${key}`, calls, faults)]),
    ...tenants.together(history.calls).flatMap(([name, calls]) => [...tooMany(`of ${name}`, calls, faults)]),
    ...tenants.bySecond(history.calls).flatMap(([name, calls]) => [...tooSoon(name, calls, faults, options)]),
  ];
}

function* tooMany(whose: string, calls: readonly Limited[], faults: Faults): Iterable<Violation> {
  for (const { call, limit } of calls) {
    if (limit === Infinity) continue;
    const others = calls.filter(
      ({ call: other }) =>
        other.runId !== call.runId &&
        other.startedAt <= call.startedAt &&
        (other.endedAt ?? Infinity) > call.startedAt &&
        !faults.excuse(other),
    );
    const runs = new Set(others.map(({ call: { runId } }) => runId));
    if (runs.size < limit) continue;
    const message = `${runs.size} runs ${whose} were under way when ${call.node} began this one at ${clockTime(call.startedAt)}; the limit is ${limit}`;
    yield { invariant: 'I9', about: call.runId, message };
  }
}

/**
 * What counts is when a start was allowed; the call itself comes a moment later, on a process that something befell perhaps
 * much later, among others.
 */
function* tooSoon(
  name: string,
  calls: readonly Limited[],
  faults: Faults,
  { toleranceMs, failoverMs }: CheckOptions,
): Iterable<Violation> {
  const prompt = calls.filter(
    ({ call: { node, startedAt } }) => !faults.touched(node, startedAt - failoverMs, startedAt),
  );
  for (const { call, limit } of prompt) {
    const since = call.startedAt - (1_000 - toleranceMs);
    const others = prompt.filter(
      ({ call: other }) => other !== call && other.startedAt > since && other.startedAt <= call.startedAt,
    );
    if (others.length < limit) continue;
    const message = `${others.length} runs of ${name} began within the second before ${clockTime(call.startedAt)}; the limit is ${limit}`;
    yield { invariant: 'I9', about: call.runId, message };
  }
}

/** Calls of jobs that had one key and limit all their life: which command a run obeys is then no question. */
function byKey({ commands, calls }: History): [string, Limited[]][] {
  const limits = new Map<string, { key: string; limit: number }>();
  for (const [job, sent] of Map.groupBy(commands, (command) => command.job)) {
    const specs = sent.flatMap(({ spec }) => spec ?? []);
    const [first] = specs.map(({ concurrencyKey }) => concurrencyKey);
    const isSame = specs.every(
      ({ concurrencyKey: other }) => other?.key === first?.key && other?.limit === first?.limit,
    );
    if (first !== undefined && isSame)
      limits.set(job, { key: jobKey(parseJobKey(job)!.tenant, first.key), limit: first.limit });
  }
  const limited = calls.filter(({ job }) => limits.has(job));
  return [...Map.groupBy(limited, ({ job }) => limits.get(job)!.key)].map(([key, own]) => [
    key,
    own.map((call) => ({ call, limit: limits.get(call.job)!.limit })),
  ]);
}

/** What tenants were allowed, and when. */
class Tenants {
  private readonly changes: Map<string, QuotaChange[]>;

  constructor(changes: readonly QuotaChange[]) {
    this.changes = Map.groupBy(changes, ({ tenant }) => tenant);
  }

  /** Of tenants, and of their handlers: how many at one time. */
  together(calls: readonly Call[]): [string, Limited[]][] {
    return this.of(calls).flatMap(([tenant, own]): [string, Limited[]][] => [
      [tenant, this.limited(tenant, own, ({ concurrentRuns }) => concurrentRuns)],
      ...[...Map.groupBy(own, ({ handler = '' }) => handler)].map(([handler, ofHandler]): [string, Limited[]] => [
        `${tenant}'s handler ${handler}`,
        this.limited(tenant, ofHandler, ({ handlerRuns }) => handlerRuns?.[handler]),
      ]),
    ]);
  }

  bySecond(calls: readonly Call[]): [string, Limited[]][] {
    return this.of(calls).map(([tenant, own]) => [
      tenant,
      this.limited(tenant, own, ({ runsPerSecond }) => runsPerSecond),
    ]);
  }

  private of(calls: readonly Call[]): [string, Call[]][] {
    const all = Map.groupBy(calls, ({ job }) => parseJobKey(job)!.tenant);
    return [...all].filter(([tenant]) => this.changes.has(tenant));
  }

  private limited(
    tenant: string,
    calls: readonly Call[],
    limitOf: (quotas: Quotas) => number | null | undefined,
  ): Limited[] {
    const [first, ...later] = this.changes.get(tenant)!;
    return calls.map((call) => {
      const known = [first!, ...later.filter(({ at }) => at <= call.startedAt)];
      return { call, limit: Math.max(...known.map(({ quotas }) => limitOf(quotas) ?? Infinity)) };
    });
  }
}
