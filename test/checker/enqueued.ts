/** I12: commands that were enqueued in database transactions. */
import type { History, Violation } from './history.ts';

export function checkEnqueued(history: History): Violation[] {
  return history.enqueued === undefined
    ? []
    : [...checkCommitted(history, history.enqueued), ...checkScheduled(history, history.enqueued)];
}

type Enqueued = NonNullable<History['enqueued']>;

/** What was committed is answered; what was rolled back has no effect at all. That a command has only one is I2. */
function* checkCommitted({ acks, events }: History, { committed, rolledBack }: Enqueued): Iterable<Violation> {
  const answered = new Set(acks.map(({ commandId }) => commandId));
  for (const id of committed) {
    if (!answered.has(id)) yield { invariant: 'I12', about: id, message: 'was committed, and has no answer' };
  }
  const effects = answered.union(new Set(events.map(({ cause }) => cause)));
  for (const id of rolledBack) {
    if (effects.has(id)) yield { invariant: 'I12', about: id, message: 'was rolled back, and has an effect' };
  }
}

/** What the transaction of a run scheduled runs once, if that transaction took effect. */
function* checkScheduled({ runs, writes }: History, { scheduled }: Enqueued): Iterable<Violation> {
  const committed = new Set(writes.map(({ runId }) => runId));
  const counts = new Map<string, number>();
  for (const { job } of runs) counts.set(job, (counts.get(job) ?? 0) + 1);
  for (const { job, runId } of new Map(scheduled.map((each) => [each.job, each])).values()) {
    const [expected, count] = [committed.has(runId) ? 1 : 0, counts.get(job) ?? 0];
    if (count !== expected)
      yield {
        invariant: 'I12',
        about: job,
        message: `the transaction of run ${runId} scheduled it, which took effect ${expected} times, and it has ${count} runs`,
      };
  }
}
