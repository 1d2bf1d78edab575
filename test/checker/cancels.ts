/** I8. */
import type { CheckOptions } from './options.ts';
import { clockTime, type Call, type Fault, type History, type SentCommand, type Violation } from './history.ts';

/** What may start a run of a cancelled job again. */
const REVIVES = new Set<string>(['schedule', 'replay', 'trigger']);

export function* checkCancels(history: History, { toleranceMs }: CheckOptions): Iterable<Violation> {
  const calls = Map.groupBy(history.calls, ({ job }) => job);
  for (const [job, commands] of Map.groupBy(history.commands, (command) => command.job)) {
    for (const [index, cancel] of commands.entries()) {
      if (cancel.type !== 'cancel' || cancel.answer?.outcome !== 'applied') continue;
      const until = revivedAt(commands.slice(index + 1), cancel);
      for (const call of calls.get(job) ?? []) {
        if (call.startedAt <= cancel.answer.at + toleranceMs || call.startedAt >= until) continue;
        if (wasStalled(history.faults, call, cancel.sentAt)) continue;
        const message = `cancelled by ${clockTime(cancel.answer.at)}, and ${call.node} began its run ${call.runId} at ${clockTime(call.startedAt)}`;
        yield { invariant: 'I8', about: job, message };
      }
    }
  }
}

function revivedAt(later: readonly SentCommand[], { sentAt }: SentCommand): number {
  const revivals = later.filter(
    ({ type, answer }) => REVIVES.has(type) && (answer === null || answer.outcome === 'applied'),
  );
  return Math.min(Infinity, ...revivals.map((command) => Math.max(sentAt, command.sentAt)));
}

/** It had asked whether the run is cancelled before it was, and was held up on the way from the answer to the handler. */
function wasStalled(faults: readonly Fault[], { node, startedAt }: Call, sentAt: number): boolean {
  const stalls = faults.filter(({ kind }) => kind === 'freeze' || kind === 'slow');
  return stalls.some((fault) => fault.node === node && fault.from <= startedAt && fault.until >= sentAt);
}
