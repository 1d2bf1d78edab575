/** Chains as users see them, through a whole Belfry on virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { JobInput, ScheduleInput } from '../../../services/core/spec/input.ts';
import { createTestBelfry, type TestBelfry } from '../../../services/testing/main.ts';

const refusal = Object.assign(new Error('no'), { retryable: false });
let isBroken = true;
const handlers = {
  ok: (ctx: { jobId: string }) => `of ${ctx.jobId}`,
  bad: () => Promise.reject(refusal),
  flaky: () => (isBroken ? Promise.reject(refusal) : 'repaired'),
  seen: (ctx: { upstream: unknown }) => ctx.upstream,
};
type Own = TestBelfry<typeof handlers>;

const job = (handler: keyof typeof handlers, schedule: ScheduleInput, more: object = {}): never =>
  ({ type: 'CUSTOM', handler, schedule, ...more }) satisfies JobInput as never;
const after = (...upstreams: (string | [string, 'success' | 'failure' | 'always'])[]) => ({
  after: upstreams.map((each) => (typeof each === 'string' ? { job: each } : { job: each[0], when: each[1] })),
});

async function belfryOf(jobs: Record<string, JobInput>): Promise<Own> {
  const belfry = await createTestBelfry({ handlers, now: '2026-03-27T00:00:00Z' });
  for (const [jobId, each] of Object.entries(jobs)) await belfry.schedule(jobId, each as never);
  return belfry;
}

/** `COMPLETED, SKIPPED (upstream)`. */
function endsOf(belfry: Own, jobId: string): string {
  return belfry
    .runs({ jobId })
    .map(({ status, reason }) => (reason === null ? status : `${status} (${reason})`))
    .join(', ');
}

test('a job runs after another, sees how that one ended, and is followed in its turn', async () => {
  const belfry = await belfryOf({
    a: job('ok', { in: '5s' }),
    b: job('seen', after('a')),
    c: job('ok', after('b')),
  });
  await belfry.advance('10s');
  const [[a], [b]] = [belfry.runs({ jobId: 'a' }), belfry.runs({ jobId: 'b' })];
  assert.deepEqual(b?.result, [{ jobId: 'a', runId: a?.runId, status: 'COMPLETED', result: 'of a' }]);
  assert.deepEqual(
    belfry.outcomes({ jobId: 'b' }).map(({ trigger, cause, scheduledFor }) => [trigger, cause, scheduledFor]),
    [['dependency', a?.runId, a?.finishedAt?.getTime()]],
  );
  assert.deepEqual([endsOf(belfry, 'b'), endsOf(belfry, 'c')], ['COMPLETED', 'COMPLETED']);
  await belfry.close();
});

test('each run of an upstream has one run of each job that runs after it', async () => {
  const belfry = await belfryOf({
    a: job('ok', { every: '1m', maxRuns: 3 }),
    b: job('ok', after('a')),
    c: job('ok', after('a')),
  });
  await belfry.advance('10m');
  for (const jobId of ['a', 'b', 'c']) assert.equal(endsOf(belfry, jobId), 'COMPLETED, COMPLETED, COMPLETED', jobId);
  await belfry.close();
});

test('a fan-in waits for all of its upstreams, and of each the latest counts', async () => {
  const belfry = await belfryOf({
    often: job('ok', { every: '1m' }),
    rarely: job('ok', { every: '3m' }),
    both: job('seen', after('often', 'rarely')),
  });
  await belfry.advance('2m30s');
  assert.equal(endsOf(belfry, 'both'), '');
  await belfry.advance('1m20s');
  const [run, ...more] = belfry.runs({ jobId: 'both' });
  const often = belfry.runs({ jobId: 'often' });
  const seen = (run?.result as { jobId: string; runId: string }[]).map(({ jobId, runId }) => [jobId, runId]);
  assert.equal(more.length, 0);
  assert.deepEqual(seen[1], ['rarely', belfry.runs({ jobId: 'rarely' })[0]?.runId]);
  assert.ok([often[1], often[2]].some((each) => each?.runId === seen[0]?.[1]));
  await belfry.close();
});

test('a failure goes its own way; what waits for success is SKIPPED, and so is what waits for that', async () => {
  const belfry = await belfryOf({
    a: job('bad', { in: '1s' }),
    onSuccess: job('ok', after('a')),
    onFailure: job('seen', after(['a', 'failure'])),
    next: job('ok', after('onSuccess')),
    always: job('seen', after(['onSuccess', 'always'])),
  });
  await belfry.advance('10s');
  assert.equal(endsOf(belfry, 'onSuccess'), 'SKIPPED (upstream)');
  assert.equal(endsOf(belfry, 'next'), 'SKIPPED (upstream)');
  const [failed, skipped] = [belfry.runs({ jobId: 'onFailure' })[0], belfry.runs({ jobId: 'always' })[0]];
  assert.deepEqual((failed?.result as { error: unknown }[])[0]?.error, { code: 'handler_error', message: 'no' });
  assert.equal((skipped?.result as { status: unknown }[])[0]?.status, 'SKIPPED');
  await belfry.close();
});

test('a replay that completes continues the chain, with what had come from the other upstreams', async () => {
  isBroken = true;
  const belfry = await belfryOf({
    a: job('flaky', { in: '1s' }),
    other: job('ok', { in: '2s' }),
    both: job('seen', after('a', 'other')),
  });
  await belfry.advance('10s');
  assert.equal(endsOf(belfry, 'both'), 'SKIPPED (upstream)');
  isBroken = false;
  const [dead] = belfry.runs({ jobId: 'a' });
  await belfry.replay('a', dead!.runId);
  await belfry.advance('10s');
  assert.equal(endsOf(belfry, 'both'), 'SKIPPED (upstream), COMPLETED');
  const seen = belfry.runs({ jobId: 'both', status: 'COMPLETED' })[0]?.result as { result: unknown }[];
  assert.deepEqual(
    seen.map(({ result }) => result),
    ['repaired', 'of other'],
  );
  await belfry.close();
});

test('a message that is published is followed like any run, also when it was scheduled before', async () => {
  const message = { type: 'KAFKA_MESSAGE', payload: { topic: 'orders', value: 'v' } } as const;
  const belfry = await createTestBelfry({ handlers, topics: ['orders'], now: '2026-03-27T00:00:00Z' });
  await belfry.schedule('once', { ...message, schedule: { in: '1s' } });
  await belfry.schedule('often', { ...message, schedule: { every: '2s', maxRuns: 2 } });
  await belfry.schedule('afterOnce', job('ok', after('once')));
  await belfry.schedule('afterOften', job('ok', after('often')));
  await belfry.advance('20s');
  assert.deepEqual([endsOf(belfry, 'afterOnce'), endsOf(belfry, 'afterOften')], ['COMPLETED', 'COMPLETED, COMPLETED']);
  await belfry.close();
});

test('a paused one is SKIPPED (paused), a cancelled one hears nothing, maxRuns and endAt finish it', async () => {
  const belfry = await belfryOf({
    a: job('ok', { every: '1m' }),
    paused: job('ok', after('a')),
    gone: job('ok', after('a')),
    twice: job('ok', { ...after('a'), maxRuns: 2 }),
    until: job('ok', { ...after('a'), endAt: '2026-03-27T00:01:30Z' }),
    from: job('ok', { ...after('a'), startAt: '2026-03-27T00:02:30Z' }),
  });
  await belfry.pause('paused');
  await belfry.cancel('gone');
  await belfry.advance('3m30s');
  await belfry.resume('paused');
  await belfry.advance('1m');
  assert.equal(endsOf(belfry, 'paused'), 'SKIPPED (paused), SKIPPED (paused), SKIPPED (paused), COMPLETED');
  assert.equal(endsOf(belfry, 'gone'), '');
  assert.equal(endsOf(belfry, 'twice'), 'COMPLETED, COMPLETED');
  assert.equal(endsOf(belfry, 'until'), 'COMPLETED');
  assert.equal(endsOf(belfry, 'from'), 'COMPLETED, COMPLETED');
  await assert.rejects(belfry.pause('twice'), /FINISHED/);
  await belfry.close();
});

test('overlap holds for a chain: what comes while a run is active is skipped', async () => {
  const belfry = await belfryOf({
    a: job('ok', { every: '1s', maxRuns: 3 }),
    b: job('ok', after('a'), { overlap: 'skip' }),
  });
  await belfry.trigger('b', { overlap: 'allow' });
  await belfry.advance('10s');
  assert.equal(endsOf(belfry, 'b').split(', ').length, 4);
  await belfry.close();
});

test('a cycle is refused and printed, and so is an upstream that is not there', async () => {
  const belfry = await belfryOf({
    a: job('ok', { in: '1h' }),
    b: job('ok', after('a')),
    c: job('ok', after('b')),
  });
  const refused = (code: string, message: RegExp) => (thrown: unknown) =>
    thrown instanceof BelfryError && thrown.code === code && message.test(thrown.message);
  await assert.rejects(belfry.schedule('a', job('ok', after('c'))), refused('cycle', /a → b → c → a/));
  await assert.rejects(belfry.schedule('d', job('ok', after('x'))), refused('unknown_job', /no job x/));
  await assert.rejects(belfry.schedule('d', job('ok', after('d'))), refused('invalid', /the job itself/));
  // Of two that close a cycle together, one is taken.
  await belfry.schedule('e', job('ok', { in: '1h' }));
  await belfry.schedule('f', job('ok', { in: '1h' }));
  const both = await Promise.allSettled([
    belfry.schedule('e', job('ok', after('f'))),
    belfry.schedule('f', job('ok', after('e'))),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  await belfry.cancel('b');
  await belfry.schedule('a', job('ok', after('c')));
  await belfry.close();
});
