/** I4 and I5: the calls of handlers, as a sink outside Belfry sees them. */
import type { CheckOptions } from './options.ts';
import { clockTime, type Call, type Fault, type History, type SentCommand, type Violation } from './history.ts';

/** A lease has this length: a fault shows up to so much later. */
const LEASE_MS = 6_000;

export function checkCalls(unsorted: History, options: CheckOptions): Violation[] {
  const history = { ...unsorted, calls: unsorted.calls.toSorted((a, b) => a.startedAt - b.startedAt) };
  const byRun = Map.groupBy(history.calls, ({ runId }) => runId);
  const faults = new Faults(history.faults, history.healedAt, options.thawMs);
  return [
    ...checkSuccesses(history, byRun),
    ...checkKeys(history, byRun),
    ...[...byRun.values()].flatMap((calls) => [...checkRepeats(calls, faults), ...checkOverlaps(calls, faults)]),
    ...checkAtMostOnce(history, byRun),
    ...checkJobOverlaps(history, faults),
    ...checkEarly(history, byRun, options),
  ];
}

function* checkSuccesses(history: History, byRun: Map<string, Call[]>): Iterable<Violation> {
  const custom = new Set(history.events.filter(({ type }) => type === 'CUSTOM').map(({ runId }) => runId));
  for (const { runId, status } of history.runs) {
    if (status !== 'COMPLETED' || !custom.has(runId)) continue;
    if (!(byRun.get(runId) ?? []).some(({ end }) => end !== null))
      yield { invariant: 'I4', about: runId, message: 'COMPLETED without a call of its handler' };
  }
}

/** One key through all attempts, and through all replays. */
function* checkKeys(history: History, byRun: Map<string, Call[]>): Iterable<Violation> {
  const rows = new Map(history.runs.map((row) => [row.runId, row]));
  for (const [runId, calls] of byRun) {
    let first = rows.get(runId);
    while (first !== undefined && first.replayOf !== null && rows.has(first.replayOf)) first = rows.get(first.replayOf);
    const key = first?.runId ?? runId;
    const wrong = calls.find(({ idempotencyKey }) => idempotencyKey !== key);
    if (wrong !== undefined)
      yield { invariant: 'I4', about: runId, message: `called with the key ${wrong.idempotencyKey} instead of ${key}` };
  }
}

/** The same attempt again: only when something befell the process that had it. */
function* checkRepeats(calls: readonly Call[], faults: Faults): Iterable<Violation> {
  for (const attempt of Map.groupBy(calls, (call) => call.attempt).values()) {
    for (const [index, call] of attempt.entries()) {
      const before = attempt[index - 1];
      if (before === undefined || faults.befell(before.node, before.startedAt - LEASE_MS, call.startedAt)) continue;
      const message = `attempt ${call.attempt} was called by ${before.node} at ${clockTime(before.startedAt)} and by ${call.node} at ${clockTime(call.startedAt)}, though no fault befell ${before.node}`;
      yield { invariant: 'I4', about: call.runId, message };
    }
  }
}

/** No two calls of a run at the same time. */
function* checkOverlaps(calls: readonly Call[], faults: Faults): Iterable<Violation> {
  for (const [earlier, later] of overlapping(calls)) {
    if (faults.excuse(earlier)) continue;
    const message = `the call by ${earlier.node} (${span(earlier)}) was not over when ${later.node} began (${span(later)})`;
    yield { invariant: 'I4', about: earlier.runId, message };
  }
}

function* checkAtMostOnce(history: History, byRun: Map<string, Call[]>): Iterable<Violation> {
  const specs = Map.groupBy(history.commands, ({ job }) => job);
  for (const [runId, calls] of byRun) {
    const schedules = (specs.get(calls[0]!.job) ?? []).filter(({ type }) => type === 'schedule');
    const always = schedules.length > 0 && schedules.every(({ spec }) => spec?.delivery === 'at_most_once');
    if (always && calls.length > 1)
      yield { invariant: 'I4', about: runId, message: `at most once, and called ${calls.length} times` };
  }
}

/** Jobs whose runs must not overlap. */
function* checkJobOverlaps(history: History, faults: Faults): Iterable<Violation> {
  const commands = Map.groupBy(history.commands, ({ job }) => job);
  for (const [job, calls] of Map.groupBy(history.calls, (call) => call.job)) {
    if (!isExclusive(commands.get(job) ?? [])) continue;
    for (const [earlier, later] of overlapping(calls)) {
      if (earlier.runId === later.runId || faults.excuse(earlier)) continue;
      const message = `run ${earlier.runId} (${span(earlier)}) and run ${later.runId} (${span(later)}) overlap against its policy`;
      yield { invariant: 'I4', about: job, message };
    }
  }
}

const EXCLUSIVE = new Set<string>(['skip', 'buffer_one', 'buffer_all']);

function isExclusive(commands: readonly SentCommand[]): boolean {
  return commands.every(({ type, spec, overlap }) => {
    if (type === 'schedule') return spec !== null && EXCLUSIVE.has(spec.overlap);
    return type !== 'replay' && (overlap === null || EXCLUSIVE.has(overlap));
  });
}

/** I5 */
function* checkEarly(history: History, byRun: Map<string, Call[]>, { toleranceMs }: CheckOptions): Iterable<Violation> {
  for (const { runId, node, startedAt, scheduledFor } of history.calls) {
    if (startedAt < scheduledFor)
      yield { invariant: 'I5', about: runId, message: `${node} began ${scheduledFor - startedAt} ms early` };
  }
  const scheduledFor = new Map(history.events.map((event) => [event.runId, event.scheduledFor]));
  for (const { runId, at } of history.messages) {
    if (at < (scheduledFor.get(runId) ?? 0)) yield { invariant: 'I5', about: runId, message: 'its message was early' };
  }
  const waits = new Map<string, number>();
  for (const { job, spec } of history.commands)
    if (spec !== null) waits.set(job, Math.min(spec.retryDelayMs, waits.get(job) ?? Infinity));
  for (const [runId, calls] of byRun) {
    for (const call of calls) {
      const former = calls.filter(({ attempt }) => attempt === call.attempt - 1);
      if (former.some(({ endedAt, obedient }) => endedAt === null || !obedient)) continue;
      const ended = Math.min(...former.map(({ endedAt }) => endedAt!));
      const early = ended + (waits.get(call.job) ?? 0) - call.startedAt;
      if (former.length > 0 && early > toleranceMs)
        yield { invariant: 'I5', about: runId, message: `attempt ${call.attempt} began ${early} ms early` };
    }
  }
}

/** Pairs of calls of which the later began before the earlier was over; calls are in the order of their start. */
function* overlapping(calls: readonly Call[]): Iterable<[Call, Call]> {
  for (const [index, later] of calls.entries()) {
    for (const earlier of calls.slice(0, index)) {
      if ((earlier.endedAt ?? Infinity) > later.startedAt) yield [earlier, later];
    }
  }
}

/** What was done to processes, and what it excuses. */
export class Faults {
  private readonly byNode: Map<string, Fault[]>;
  private readonly healedAt: number;
  private readonly thawMs: number;

  constructor(faults: readonly Fault[], healedAt: number, thawMs: number) {
    this.byNode = Map.groupBy(faults, ({ node }) => node);
    this.healedAt = healedAt;
    this.thawMs = thawMs;
  }

  /** Whether something that can cost a process its lease befell it in this time. */
  befell(node: string, from: number, to: number): boolean {
    return this.of(node).some((fault) => fault.kind !== 'slow' && fault.from <= to && fault.until >= from);
  }

  /** Whether anything at all befell it in this time. */
  touched(node: string, from: number, to: number): boolean {
    return this.of(node).some((fault) => fault.from <= to && fault.until >= from);
  }

  /** A handler that would not stop, or a process that was frozen and could not stop it, overlaps its heir. */
  excuse({ node, obedient, startedAt, endedAt }: Call): boolean {
    if (!obedient) return true;
    return this.of(node).some(
      ({ kind, from, until }) =>
        kind === 'freeze' &&
        from <= (endedAt ?? this.healedAt) &&
        until >= startedAt &&
        (endedAt ?? Infinity) <= until + this.thawMs,
    );
  }

  private of(node: string): Fault[] {
    return this.byNode.get(node) ?? [];
  }
}

function span({ startedAt, endedAt }: Call): string {
  return `${clockTime(startedAt)} to ${endedAt === null ? 'the end' : clockTime(endedAt)}`;
}
