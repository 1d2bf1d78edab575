/** I8: what a cancel ends, and that it ends nothing else. */
import type { CheckOptions } from './options.ts';
import { clockTime, type Call, type Fault, type History, type SentCommand, type Violation } from './history.ts';

/** What may start a run of a cancelled job again. */
const REVIVES = new Set<string>(['schedule', 'replay', 'trigger']);

export function checkCancels(history: History, options: CheckOptions): Violation[] {
  return [...checkStarts(history, options), ...checkCauses(history, options)];
}

function* checkStarts(history: History, { toleranceMs }: CheckOptions): Iterable<Violation> {
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

/** How long before its time a run may be decided. */
const DECIDED_AHEAD_MS = 100;

/** A scheduled run is CANCELLED for what came when it was decided, not for what was over by then. */
function* checkCauses({ commands, events }: History, { toleranceMs }: CheckOptions): Iterable<Violation> {
  const byJob = Map.groupBy(commands, ({ job }) => job);
  for (const { job, runId, trigger, status, scheduledFor } of events) {
    const own = byJob.get(job) ?? [];
    if (trigger !== 'schedule' || status !== 'CANCELLED' || own.some(isReplacing)) continue;
    const decidedAt = scheduledFor - DECIDED_AHEAD_MS - toleranceMs;
    if (own.some((command) => mayCancel(command) && (command.answer?.at ?? Infinity) >= decidedAt)) continue;
    yield { invariant: 'I8', about: job, message: `its run ${runId} is CANCELLED, and nobody asked for that` };
  }
}

/** Its own occurrences, or triggers that bring no policy, cancel what is active. */
function isReplacing({ spec }: SentCommand): boolean {
  return spec?.overlap === 'cancel_running';
}

function mayCancel({ type, overlap, answer }: SentCommand): boolean {
  const isAsked = type === 'cancel' || (type === 'trigger' && overlap === 'cancel_running');
  return isAsked && (answer === null || answer.outcome === 'applied');
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
