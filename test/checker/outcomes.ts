/** I3 and I7: what was said of a run's end, and what its row says. */
import type { Event, History, Violation } from './history.ts';

const TERMINAL = new Set<string>(['COMPLETED', 'FAILED', 'CANCELLED', 'SKIPPED']);

export function checkOutcomes(history: History): Violation[] {
  const events = Map.groupBy(history.events, ({ runId }) => runId);
  return [...checkOneOutcome(history, events), ...checkAllTold(history, events), ...checkDead(history)];
}

/** I3 */
function* checkOneOutcome(history: History, events: Map<string, Event[]>): Iterable<Violation> {
  const rows = new Map(history.runs.map((row) => [row.runId, row]));
  for (const [runId, told] of events) {
    const ends = new Set(told.map(endOf));
    if (ends.size > 1) yield { invariant: 'I3', about: runId, message: `told of ${[...ends].join(' and of ')}` };
    const ids = new Set(told.map(({ eventId }) => eventId));
    if (ids.size > 1) yield { invariant: 'I3', about: runId, message: `one outcome under ${ids.size} event ids` };
    const row = rows.get(runId);
    const [first] = told;
    if (row !== undefined && first !== undefined && (row.status !== first.status || !same(row.result, first.result)))
      yield { invariant: 'I3', about: runId, message: `the row says ${row.status}, the event ${endOf(first)}` };
  }
  for (const { runId, status, result } of history.sightings) {
    const row = rows.get(runId);
    if (row !== undefined && (row.status !== status || !same(row.result, result)))
      yield { invariant: 'I3', about: runId, message: `its row was ${status} and is ${row.status}` };
  }
}

/** I7, events */
function* checkAllTold(history: History, events: Map<string, Event[]>): Iterable<Violation> {
  const rows = new Set(history.runs.map(({ runId }) => runId));
  for (const { runId, status } of history.runs) {
    if (TERMINAL.has(status) && !events.has(runId))
      yield { invariant: 'I7', about: runId, message: `${status}, and no event tells it` };
  }
  for (const runId of events.keys()) {
    if (!rows.has(runId)) yield { invariant: 'I7', about: runId, message: 'an event tells of a run that has no row' };
  }
  const seen = Map.groupBy(history.messages, ({ runId }) => runId);
  for (const [runId, [first]] of events) {
    if (first?.type !== 'KAFKA_MESSAGE' || first.status !== 'COMPLETED') continue;
    const times = seen.get(runId)?.length ?? 0;
    if (times !== 1) yield { invariant: 'I4', about: runId, message: `its message reached readers ${times} times` };
  }
  for (const runId of seen.keys()) {
    if (events.get(runId)?.[0]?.status !== 'COMPLETED')
      yield { invariant: 'I7', about: runId, message: 'its message reached readers, and no event says so' };
  }
}

/** I7, the DLQ */
function* checkDead(history: History): Iterable<Violation> {
  const dead = new Set(history.dead.map(({ runId }) => runId));
  const failed = new Set(history.runs.filter(({ status }) => status === 'FAILED').map(({ runId }) => runId));
  for (const runId of failed.difference(dead))
    yield { invariant: 'I7', about: runId, message: 'FAILED, and not on the DLQ' };
  for (const runId of dead.difference(failed))
    yield { invariant: 'I7', about: runId, message: 'on the DLQ, and not FAILED' };
}

function endOf({ status, attempt, result, errorCode, finishedAt }: Event): string {
  return JSON.stringify([status, attempt, result, errorCode, finishedAt]);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
