/** I9: limits on the runs of a key, as a sink outside Belfry sees them. */
import { jobKey, parseJobKey } from '../../services/core/topics.ts';
import { Faults } from './calls.ts';
import { clockTime, type Call, type History, type Violation } from './history.ts';
import type { CheckOptions } from './options.ts';

type Limited = Call & { limit: number };

export function* checkLimits(history: History, { thawMs }: CheckOptions): Iterable<Violation> {
  const faults = new Faults(history.faults, history.healedAt, thawMs);
  for (const [key, calls] of callsByKey(history)) {
    for (const call of calls) {
      const others = calls.filter(
        (other) =>
          other.runId !== call.runId &&
          other.startedAt <= call.startedAt &&
          (other.endedAt ?? Infinity) > call.startedAt &&
          !faults.excuse(other),
      );
      const runs = new Set(others.map(({ runId }) => runId));
      if (runs.size < call.limit) continue;
      const message = `${runs.size} runs with the key ${key} were under way when ${call.node} began this one at ${clockTime(call.startedAt)}; its limit is ${call.limit}`;
      yield { invariant: 'I9', about: call.runId, message };
    }
  }
}

/** Calls of jobs that had one key and limit all their life: which command a run obeys is then no question. */
function callsByKey({ commands, calls }: History): Map<string, Limited[]> {
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
  const limited = calls.flatMap((call) => {
    const shared = limits.get(call.job);
    return shared === undefined ? [] : [{ key: shared.key, call: { ...call, limit: shared.limit } }];
  });
  const byKey = new Map<string, Limited[]>();
  for (const { key, call } of limited) byKey.set(key, [...(byKey.get(key) ?? []), call]);
  return byKey;
}
