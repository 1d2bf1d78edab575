import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, JobSpec } from '../../../services/core/model.ts';
import { listOccurrences } from '../../../services/core/occurrences/listed.ts';
import { scheduledRunId } from '../../../services/core/occurrences/of-job.ts';
import type { RunSummary } from '../../../services/core/ports/inspect.ts';
import { firstRunId } from '../../../services/core/run-id.ts';
import { job, NOW, run } from '../cli/support.ts';
import { every, HOUR } from '../occurrences/schedules.ts';

const BEGIN = NOW - 4 * HOUR;

function hourly(fields: Partial<Job> = {}, spec: Partial<JobSpec> = {}): Job {
  const made = job({ anchorAt: BEGIN, createdAt: BEGIN, nextAt: NOW + HOUR, ...fields });
  return { ...made, spec: { ...made.spec, schedule: every(HOUR), ...spec } };
}

function runAt(of: Job, at: number, fields: Partial<RunSummary> = {}): RunSummary {
  return run({ runId: scheduledRunId(of, at), scheduledFor: at, status: 'COMPLETED', ...fields });
}

const page = (from: number, to: number, limit = 10) => ({ after: firstRunId(from), to, limit });
const hoursOf = (found: ReturnType<typeof listOccurrences>) =>
  found.occurrences.map(({ at, run: its }) => `${(at - NOW) / HOUR} ${its?.status ?? '-'}`);

test('occurrences that passed have their runs, those to come have none', () => {
  const of = hourly();
  const rows = [-3, -2, -1, 0].map((hours) => runAt(of, NOW + hours * HOUR));
  const found = listOccurrences(of, rows, [], page(BEGIN, NOW + 2.5 * HOUR));
  assert.deepEqual(hoursOf(found), ['-3 COMPLETED', '-2 COMPLETED', '-1 COMPLETED', '0 COMPLETED', '1 -', '2 -']);
  assert.equal(found.more, false);
});

test('what was decided and nobody has begun is there, too', () => {
  const tracked = hourly();
  const active = { ...tracked, active: [{ runId: scheduledRunId(tracked, NOW), since: NOW }] };
  assert.deepEqual(hoursOf(listOccurrences(active, [], [], page(BEGIN, NOW + 1))), ['0 -']);
  const untracked = hourly({}, { overlap: 'allow' });
  assert.deepEqual(hoursOf(listOccurrences(untracked, [], [], page(NOW - HOUR, NOW + 1))), ['-1 -', '0 -']);
});

test('a group of skipped ones stands for all that it covers', () => {
  const of = hourly({}, { overlap: 'allow' });
  const group = run({
    runId: firstRunId(NOW - 3 * HOUR).replace(/000$/, '001'),
    scheduledFor: NOW - 3 * HOUR,
    status: 'SKIPPED',
    from: NOW - 3 * HOUR,
    to: NOW - HOUR,
  });
  assert.deepEqual(hoursOf(listOccurrences(of, [group], [], page(BEGIN, NOW + 1))), ['-3 SKIPPED', '0 -']);
  assert.deepEqual(hoursOf(listOccurrences(of, [], [group], page(NOW - 2 * HOUR, NOW + 1))), ['0 -']);
});

test('pages follow one another without a gap', () => {
  const of = hourly();
  const rows = [-1, 0].map((hours) => runAt(of, NOW + hours * HOUR));
  const seen: number[] = [];
  for (let after = firstRunId(NOW - HOUR); seen.length < 6;) {
    const left = rows.filter(({ runId }) => runId > after).slice(0, 3);
    const { occurrences, more } = listOccurrences(of, left, [], { after, to: Infinity, limit: 2 });
    assert.ok(more);
    seen.push(...occurrences.map(({ at }) => (at - NOW) / HOUR));
    after = occurrences.at(-1)!.runId;
  }
  assert.deepEqual(seen, [-1, 0, 1, 2, 3, 4]);
});

test('a job that is over has nothing to come, one with maxRuns no more than are left', () => {
  const ahead = page(NOW, NOW + 24 * HOUR);
  assert.deepEqual(hoursOf(listOccurrences(hourly({ state: 'CANCELLED', nextAt: null }), [], [], ahead)), []);
  assert.deepEqual(hoursOf(listOccurrences(hourly({ state: 'FINISHED', nextAt: null }), [], [], ahead)), []);
  const few = hourly({ runCount: 3 }, { schedule: every(HOUR, { maxRuns: 5 }) });
  assert.deepEqual(hoursOf(listOccurrences(few, [], [], ahead)), ['1 -', '2 -']);
  assert.deepEqual(hoursOf(listOccurrences(few, [], [], page(NOW + 1.5 * HOUR, Infinity))), ['2 -']);
});
