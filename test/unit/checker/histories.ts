/** A small history that keeps every promise, to be broken in one place by each test. */
import { check } from '../../checker/check.ts';
import type { Call, Event, History, JobAsSent, RunRow, SentCommand } from '../../checker/history.ts';

export const T0 = Date.UTC(2026, 0, 1);
export const JOB = 'acme/job';

export const EVERY_10_S: JobAsSent = {
  type: 'CUSTOM',
  schedule: {
    ...{ kind: 'every', everyMs: 10_000, timezone: 'UTC', exclude: [], jitterMs: 0, maxRuns: null },
    ...{ startAt: T0 + 10_000, endAt: T0 + 40_000 },
  },
  overlap: 'skip',
  delivery: 'at_least_once',
  retryDelayMs: 1_000,
};

export function scheduled(changes: Partial<SentCommand> = {}): SentCommand {
  return {
    ...{ commandId: 'c-1', job: JOB, type: 'schedule', spec: EVERY_10_S, overlap: null, sentAt: T0 },
    answer: { outcome: 'applied', at: T0 + 20, state: 'SCHEDULED', version: 1, nextFireAt: T0 + 10_000 },
    ...changes,
  };
}

export function command(type: SentCommand['type'], atMs: number, changes: Partial<SentCommand> = {}): SentCommand {
  return {
    ...{ commandId: `c-${atMs}`, job: JOB, type, spec: null, overlap: null, sentAt: T0 + atMs },
    answer: { outcome: 'applied', at: T0 + atMs + 20, state: null, version: 1, nextFireAt: null },
    ...changes,
  };
}

export function run(runId: string, atMs: number, changes: Partial<RunRow> = {}): RunRow {
  return {
    ...{ runId, job: JOB, status: 'COMPLETED', scheduledFor: T0 + atMs, finishedAt: T0 + atMs + 500 },
    ...{ idempotencyKey: runId, replayOf: null, result: 'done' },
    ...changes,
  };
}

export function told(
  { runId, job, status, scheduledFor, finishedAt, result }: RunRow,
  changes: Partial<Event> = {},
): Event {
  return {
    ...{
      eventId: `${runId}:${status}`,
      runId,
      job,
      type: 'CUSTOM',
      status: status as Event['status'],
      trigger: 'schedule',
    },
    ...{ cause: String(scheduledFor), scheduledFor, finishedAt: finishedAt ?? scheduledFor, attempt: 1, result },
    ...{ errorCode: null, from: null, to: null },
    ...changes,
  };
}

export function call(runId: string, atMs: number, changes: Partial<Call> = {}): Call {
  return {
    ...{ runId, job: JOB, attempt: 1, idempotencyKey: runId, scheduledFor: T0 + Math.floor(atMs / 10_000) * 10_000 },
    ...{ node: 'executor-1', startedAt: T0 + atMs, endedAt: T0 + atMs + 400, end: 'returned', obedient: true },
    ...changes,
  };
}

/** Three occurrences, each run once. */
export function kept(changes: Partial<History> = {}): History {
  const runs = [run('run-1', 10_000), run('run-2', 20_000), run('run-3', 30_000)];
  return {
    commands: [scheduled()],
    acks: [{ commandId: 'c-1', outcome: 'applied', text: 'version 1' }],
    jobs: [{ job: JOB, version: 1, state: 'FINISHED' }],
    runs,
    events: runs.map((row) => told(row)),
    calls: [call('run-1', 10_050), call('run-2', 20_050), call('run-3', 30_050)],
    ...{ sightings: [], writes: [], messages: [], dead: [], faults: [] },
    ...{ healedAt: T0 + 60_000, quietAt: T0 + 61_000, left: [] },
    ...changes,
  };
}

/** Which invariants a history breaks. */
export function broken(history: History): string[] {
  return [...new Set(check(history).map(({ invariant }) => invariant))].sort();
}
