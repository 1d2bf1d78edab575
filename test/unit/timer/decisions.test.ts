import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../../../services/core/model.ts';
import type { Arrival, StoredRun } from '../../../services/core/ports/timer-store.ts';
import type { CommandContext } from '../../../services/timer/applied.ts';
import { applyCommand, type JobCommand } from '../../../services/timer/apply-command.ts';
import { applyUpstream } from '../../../services/timer/apply-upstream.ts';
import { applyCompletion } from '../../../services/timer/completion.ts';
import { scheduledRun } from '../../../services/timer/due-record.ts';
import { fireOccurrence } from '../../../services/timer/fire.ts';
import { apply, command, context, effectsOf, every, hourly, HOUR, later, NOW, schedule } from './deciding.ts';

const states: { name: string; from: Job; what: JobCommand; to: Partial<Job> }[] = [
  {
    name: 'an equal schedule keeps phase, next occurrence and run count, and takes over the rest',
    from: later(hourly(), { runCount: 3, nextAt: NOW + 5, nextFireAt: NOW + 5, anchorAt: NOW - 7 }),
    what: schedule(every, { payload: 2 }),
    to: { version: 2, runCount: 3, nextAt: NOW + 5, anchorAt: NOW - 7, state: 'SCHEDULED' },
  },
  {
    name: 'another schedule begins anew',
    from: later(hourly(), { runCount: 3, anchorAt: NOW - 7 }),
    what: schedule({ every: '2h' }),
    to: { version: 2, runCount: 0, nextAt: NOW + 2 * HOUR, anchorAt: NOW, state: 'SCHEDULED' },
  },
  {
    name: 'an equal schedule of a finished job leaves it finished',
    from: later(hourly(), { state: 'FINISHED', nextAt: null, nextFireAt: null, runCount: 3 }),
    what: schedule(every),
    to: { version: 2, state: 'FINISHED', nextAt: null, runCount: 3 },
  },
  {
    name: 'an equal "in" of a finished job leaves it finished',
    from: later(apply(undefined, schedule({ in: '1m' })), { state: 'FINISHED', nextAt: null, nextFireAt: null }),
    what: schedule({ in: '1m' }),
    to: { version: 2, state: 'FINISHED', nextAt: null },
  },
  {
    name: 'another schedule of a finished job makes it SCHEDULED',
    from: later(hourly(), { state: 'FINISHED', nextAt: null, nextFireAt: null, runCount: 3 }),
    what: schedule({ every: '2h' }),
    to: { state: 'SCHEDULED', nextAt: NOW + 2 * HOUR, runCount: 0 },
  },
  {
    name: 'an equal schedule of a cancelled job starts anew, under the raised generation',
    from: apply(later(hourly(), { runCount: 3 }), command({ type: 'cancel' })),
    what: schedule(every),
    to: { state: 'SCHEDULED', nextAt: NOW + HOUR, runCount: 0, cancelGen: 1 },
  },
  {
    name: 'a paused job stays paused under another schedule',
    from: apply(hourly(), command({ type: 'pause' })),
    what: schedule({ every: '2h' }),
    to: { state: 'PAUSED', nextAt: NOW + 2 * HOUR, nextFireAt: null },
  },
  {
    name: 'pause keeps the next occurrence but no timer',
    from: hourly(),
    what: command({ type: 'pause' }),
    to: { state: 'PAUSED', nextAt: NOW + HOUR, nextFireAt: null, pausedAt: NOW },
  },
  {
    name: 'a finished job can be cancelled: its last run may be under way',
    from: later(hourly(), { state: 'FINISHED', nextAt: null, nextFireAt: null }),
    what: command({ type: 'cancel' }),
    to: { state: 'CANCELLED', cancelGen: 1 },
  },
];
for (const { name, from, what, to } of states) {
  test(name, () => {
    const job = apply(from, what);
    const seen = Object.fromEntries(Object.keys(to).map((field) => [field, job[field as keyof Job]]));
    assert.deepEqual(seen, to);
  });
}

const finished = later(hourly(), { state: 'FINISHED', nextAt: null, nextFireAt: null });
const answers: { name: string; job?: Job; what: JobCommand; answer: string; changes?: Partial<CommandContext> }[] = [
  {
    name: 'keep leaves an existing job',
    job: hourly(),
    what: schedule(every, {}, { ifExists: 'keep' }),
    answer: 'unchanged',
  },
  { name: 'keep makes a new job', what: schedule(every, {}, { ifExists: 'keep' }), answer: 'applied' },
  {
    name: 'reject refuses an existing job',
    job: finished,
    what: schedule(every, {}, { ifExists: 'reject' }),
    answer: 'conflict',
  },
  {
    name: 'the right version is applied',
    job: hourly(),
    what: schedule(every, {}, { ifVersion: 1 }),
    answer: 'applied',
  },
  {
    name: 'another version is a conflict',
    job: hourly(),
    what: schedule(every, {}, { ifVersion: 2 }),
    answer: 'conflict',
  },
  { name: 'a version of no job is a conflict', what: schedule(every, {}, { ifVersion: 1 }), answer: 'conflict' },
  { name: 'a cron without any occurrence is refused', what: schedule({ cron: '0 0 30 2 *' }), answer: 'never_fires' },
  {
    name: 'a queue without topic is refused',
    what: schedule(every),
    answer: 'invalid',
    changes: { hasTopic: () => false },
  },
  { name: 'no job can be cancelled', what: command({ type: 'cancel' }), answer: 'unknown_job' },
  { name: 'no job can be triggered', what: command({ type: 'trigger' }), answer: 'unknown_job' },
  {
    name: 'a trigger is remembered',
    job: hourly(),
    what: command({ type: 'trigger' }),
    answer: 'duplicate',
    changes: { seen: true },
  },
  { name: 'a finished job cannot be paused', job: finished, what: command({ type: 'pause' }), answer: 'conflict' },
  { name: 'a job that runs needs no resume', job: hourly(), what: command({ type: 'resume' }), answer: 'unchanged' },
  {
    name: 'a trigger of an HTTP job brings a payload that fits',
    job: apply(
      undefined,
      schedule(every, { type: 'HTTP_REQUEST', handler: undefined, payload: { url: 'https://a.test' } }),
    ),
    what: command({ type: 'trigger', payload: { nonsense: 1 } }),
    answer: 'invalid',
  },
  {
    name: 'no run can be replayed by an id that nobody knows',
    what: command({ type: 'replay', runId: '019ae2c0-5f00-8d3a-9c41-0b7e6a2f1d55' }),
    answer: 'unknown_run',
  },
];
for (const { name, job, what, answer, changes } of answers) {
  test(name, () => {
    const applied = applyCommand(job, what, context(changes));
    assert.equal(applied.outcome === 'rejected' ? applied.rejection.code : applied.outcome, answer);
  });
}

test('the last 16 commands of a job are remembered', () => {
  let job = hourly();
  const commands = Array.from({ length: 17 }, () => schedule(every));
  for (const each of commands) job = apply(job, each);
  assert.equal(applyCommand(job, commands[1]!, context()).outcome, 'duplicate');
  assert.equal(applyCommand(job, commands[0]!, context()).outcome, 'applied');
});

test('"in" counts from the Kafka timestamp of its command, but not from the future', () => {
  assert.equal(apply(undefined, schedule({ in: '1m' }), { recordTimestampMs: NOW - 5_000 }).nextAt, NOW + 55_000);
  assert.equal(apply(undefined, schedule({ in: '1m' }), { recordTimestampMs: NOW + 5_000 }).nextAt, NOW + 60_000);
});

test('a one-shot that nobody tracks carries its due record, with the trace of its sender', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const effects = effectsOf(
    applyCommand(undefined, schedule({ in: '1m' }, { payload: 'x' }), context({ traceparent })),
  );
  const [timer] = effects.addTimers;
  const due = JSON.parse(timer!.due) as Record<string, unknown>;
  assert.deepEqual(
    [timer!.kind, timer!.topic, due.payload, due.traceparent],
    ['once', 'job.due.medium', 'x', traceparent],
  );
});

test('jitter moves the start, never the scheduled time, and the ack tells the real start', () => {
  const job = apply(undefined, schedule({ every: '1h', jitter: '10m' }));
  assert.equal(job.nextAt, NOW + HOUR);
  assert.ok(job.nextFireAt! > job.nextAt && job.nextFireAt! < job.nextAt + 600_000);
});

test('maxRuns ends a job after so many runs; an occurrence that overlap skipped was none of them', () => {
  let job = apply(undefined, schedule({ every: '1h', maxRuns: 2 }));
  job = fireOccurrence(job, context({ now: NOW + HOUR })).job!;
  const skipped = fireOccurrence(job, context({ now: NOW + 2 * HOUR }));
  assert.deepEqual(
    skipped.ended.map(({ run }) => run.outcome.reason),
    ['overlap'],
  );
  job = { ...skipped.job!, active: [] };
  assert.deepEqual([job.state, job.runCount, job.nextAt], ['SCHEDULED', 1, NOW + 3 * HOUR]);
  job = fireOccurrence(job, context({ now: NOW + 3 * HOUR })).job!;
  assert.deepEqual([job.state, job.runCount, job.nextAt], ['FINISHED', 2, null]);
});

test('an excluded occurrence is SKIPPED, and the ack tells the next one that is not', () => {
  const job = apply(undefined, schedule({ cron: '0 9 * * *', exclude: ['2026-01-01'] }));
  assert.equal(job.nextAt, NOW + 9 * HOUR);
  const effects = fireOccurrence(job, context({ now: NOW + 9 * HOUR }));
  assert.deepEqual(
    effects.ended.map(({ run }) => run.outcome.reason),
    ['excluded'],
  );
  assert.deepEqual([effects.dues.length, effects.job!.nextAt], [0, NOW + 33 * HOUR]);
});

test('an excluded fixed delay goes on', () => {
  const job = apply(undefined, schedule({ fixedDelay: '1h', exclude: ['2026-01-01'] }));
  const effects = fireOccurrence(job, context({ now: NOW + HOUR }));
  assert.deepEqual([effects.ended.length, effects.job!.state, effects.job!.nextAt], [1, 'SCHEDULED', NOW + 2 * HOUR]);
});

test('ten years of absence are one group of skipped occurrences and a thousand single ones', () => {
  const job = apply(undefined, schedule({ every: '1m' }, { overlap: 'allow' }));
  const { ended, dues } = fireOccurrence(job, context({ now: NOW + 10 * 365 * 24 * HOUR }));
  const [group] = ended;
  assert.equal(ended.length, 1_001);
  assert.equal(group!.run.outcome.count, 10 * 365 * 24 * 60 - 1_000 - dues.length);
  assert.equal(dues.length, 3, 'the latest missed one, and two that are in time');
  assert.equal(new Set(ended.map(({ run }) => run.outcome.runId)).size, 1_001);
});

test('an outcome whose run is not active changes nothing', () => {
  const job = { ...hourly(), active: [{ runId: 'a', since: NOW }] };
  const completion = { tenant: 't', jobId: 'j', runId: 'b', finishedAt: NOW };
  assert.equal(applyCompletion(job, completion, context()).job, undefined);
  assert.deepEqual(applyCompletion(job, { ...completion, runId: 'a' }, context()).job?.active, []);
});

test('waiting runs start one after the other, and then the job is FINISHED', () => {
  const base = apply(undefined, schedule({ every: '1h', maxRuns: 3 }, { overlap: 'buffer_all' }));
  let job: Job = { ...base, nextAt: null, nextFireAt: null, runCount: 3, active: [{ runId: 'a', since: NOW }] };
  job = { ...job, buffered: [1, 2].map((n) => scheduledRun(job, NOW + n)) };
  const order: string[] = [];
  for (let runId = 'a'; ; runId = order.at(-1)!) {
    const effects = applyCompletion(job, { runId, finishedAt: NOW }, context());
    job = effects.job!;
    if (effects.dues.length === 0) break;
    assert.deepEqual(
      [effects.dues.length, job.state, job.active.length],
      [1, order.length === 0 ? 'SCHEDULED' : job.state, 1],
    );
    order.push(effects.dues[0]!.runId);
  }
  assert.deepEqual(
    order,
    [1, 2].map((n) => scheduledRun(job, NOW + n).runId),
  );
  assert.equal(job.state, 'FINISHED');
});

test('the end of a run while paused sets the next fixed delay, which waits for the resume', () => {
  const base = apply(undefined, schedule({ fixedDelay: '1h' }));
  const job: Job = { ...base, state: 'PAUSED', nextAt: null, nextFireAt: null, active: [{ runId: 'a', since: NOW }] };
  const effects = applyCompletion(job, { runId: 'a', finishedAt: NOW + 5 }, context());
  assert.deepEqual([effects.job!.nextAt, effects.job!.nextFireAt, effects.addTimers], [NOW + 5 + HOUR, null, []]);
});

test('a job knows which commands made it what it is, and since when it has its schedule', () => {
  const made = hourly();
  const [applied] = made.appliedCommands!;
  assert.deepEqual([applied?.type, applied?.at, applied?.offset, applied?.since], ['schedule', NOW, '7', undefined]);
  const paused = apply(made, command({ type: 'pause' }), { now: NOW + 1, offset: null });
  assert.deepEqual(
    paused.appliedCommands?.map(({ type, at, offset }) => [type, at, offset]),
    [
      ['schedule', NOW, '7'],
      ['pause', NOW + 1, null],
    ],
  );
  const republished = apply(paused, schedule(every), { now: NOW + 2 });
  assert.deepEqual(
    republished.appliedCommands?.map(({ type, at, since }) => [type, at, since]),
    [['schedule', NOW + 2, NOW]],
  );
  const other = apply(republished, schedule({ every: '2h' }), { now: NOW + 3 });
  assert.deepEqual(other.appliedCommands?.[0]?.since, undefined);
});

test('of two runs of one upstream the one that ended later counts, though its end is heard of first', () => {
  const endOf = (jobId: string, number: number, finishedAt: number): StoredRun => ({
    ...{ runId: `run-${number}`, tenant: 't', jobId, status: 'COMPLETED', finishedAt, scheduledFor: NOW },
    ...{ idempotencyKey: `run-${number}`, due: null, result: null, resultTruncated: false, error: null },
    ...{ replayOf: null, replays: [] },
  });
  const ends = [endOf('a', 2, NOW + 2_000), endOf('a', 1, NOW + 1_000), endOf('b', 3, NOW)];
  const runs = new Map(ends.map((run) => [run.runId, run]));
  const job = apply(undefined, schedule({ after: [{ job: 'a' }, { job: 'b' }] }));
  const arrivals = new Map<string, Arrival>();
  for (const { runId, jobId: upstream } of ends) {
    const heard = { type: 'upstream', commandId: runId, tenant: 't', jobId: 'j', ack: false, upstream, runId } as const;
    const effects = effectsOf(applyUpstream(job, heard, context({ arrivals: [...arrivals.values()], runs })));
    for (const arrival of effects.arrivals) arrivals.set(arrival.runId, arrival);
  }
  const [late, early, other] = ends.map(({ runId }) => arrivals.get(runId)!);
  assert.deepEqual([early!.setId, early!.superseded], [null, true]);
  assert.notEqual(late!.setId, null);
  assert.equal(late!.setId, other!.setId);
});
