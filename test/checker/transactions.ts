/** I4, the part of it that PostgreSQL can promise: what a handler writes in `ctx.transaction` is there once, or not at all. */
import { IN_TRANSACTION, type History, type Violation } from './history.ts';

export function* checkTransactions({ writes, runs }: History): Iterable<Violation> {
  const counts = new Map<string, number>();
  for (const { runId } of writes) counts.set(runId, (counts.get(runId) ?? 0) + 1);
  for (const { runId, status, result } of runs) {
    const expected = status === 'COMPLETED' && result === IN_TRANSACTION ? 1 : 0;
    const count = counts.get(runId) ?? 0;
    counts.delete(runId);
    if (count !== expected)
      yield {
        invariant: 'I4',
        about: runId,
        message: `${status}, its transaction took effect ${count} times instead of ${expected}`,
      };
  }
  for (const runId of counts.keys())
    yield { invariant: 'I4', about: runId, message: 'its transaction took effect, and there is no such run' };
}
