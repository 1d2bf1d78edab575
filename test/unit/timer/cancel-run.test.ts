/** The cancel of one run: what a timer ends itself, what it leaves to executors, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ack } from '../../../services/core/records.ts';
import { runIdOf } from '../../../services/core/run-id.ts';
import { scheduledRunId } from '../../../services/core/occurrences/of-job.ts';
import { Cluster } from './harness.ts';

const JOB = { tenant: 'acme', jobId: 'job' };
const HOURLY = { schedule: { every: '1h' } };
const told = ({ outcome, error }: Ack): (string | undefined)[] => [outcome, error?.code];

const cancel = (cluster: Cluster, runId: string, more: object = {}): Promise<Ack> =>
  cluster.ask({ type: 'cancel', runId, ...more });

void test('a run that is under way is marked for its executor; its job goes on', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { every: '1m' } });
  await cluster.ask({ type: 'trigger' });
  await cluster.dueCount(1);
  const [due] = cluster.dues;
  const ack = await cancel(cluster, due!.runId.toUpperCase());
  assert.deepEqual([told(ack), ack.job?.state], [['applied', undefined], 'SCHEDULED']);
  assert.deepEqual([...cluster.db.cancelledRuns.keys()], [due!.runId]);
  assert.equal(cluster.job().cancelGen, 0, 'other runs are not touched');
  await cluster.finish(due!, 'CANCELLED');
  await cluster.dueCount(2, 61_000);
});

void test('a run that waits for others ends CANCELLED at once, and the others do not', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ ...HOURLY, overlap: 'buffer_all' });
  for (let n = 0; n < 3; n += 1) await cluster.ask({ type: 'trigger' });
  const [first, second] = cluster.job().buffered;
  assert.deepEqual(told(await cancel(cluster, first!.runId)), ['applied', undefined]);
  await cluster.until(() => cluster.outcomes.length > 0, 'the outcome');
  const { runId, status, error } = cluster.outcomes[0]!;
  assert.deepEqual([runId, status, error?.code], [first!.runId, 'CANCELLED', 'cancelled']);
  assert.deepEqual(cluster.job().buffered, [second]);
  assert.deepEqual(told(await cancel(cluster, first!.runId)), ['unchanged', undefined]);
  await cluster.finish(cluster.dues[0]!);
  await cluster.dueCount(2);
  assert.equal(cluster.dues[1]?.runId, second?.runId);
});

void test('a run of an event that waits for its time ends CANCELLED at once', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { on: 'user.signup', wait: '1m' } });
  await cluster.emit('user.signup', 'e-1');
  await cluster.emit('user.signup', 'e-2');
  await cluster.until(() => cluster.timers === 2, 'both runs wait');
  const [waiting] = [...cluster.db.timers.values()].flat();
  assert.deepEqual(told(await cancel(cluster, waiting!.runId)), ['applied', undefined]);
  assert.equal(cluster.timers, 1);
  await cluster.until(() => cluster.outcomes.length > 0, 'the outcome');
  assert.deepEqual([cluster.outcomes[0]?.runId, cluster.outcomes[0]?.status], [waiting!.runId, 'CANCELLED']);
  await cluster.dueCount(1, 61_000);
  assert.notEqual(cluster.dues[0]?.runId, waiting!.runId);
});

void test('a run that waits for its next attempt is brought to an executor now, wherever its retry is', async () => {
  const cluster = await Cluster.up();
  await cluster.put(HOURLY);
  for (const isRead of [true, false]) {
    await cluster.ask({ type: 'trigger', overlap: 'allow' });
    const due = cluster.dues.at(-1)!;
    const before = cluster.dues.length;
    cluster.record(due, 'RETRYING' as 'FAILED');
    if (isRead) await cluster.retry(due, 1_800_000);
    if (isRead) await cluster.until(() => [...cluster.db.timers.values()].flat().length === 2, 'the retry waits');
    assert.deepEqual(told(await cancel(cluster, due.runId)), ['applied', undefined]);
    if (!isRead) await cluster.retry(due, 1_800_000);
    await cluster.dueCount(before + 1);
    assert.deepEqual([cluster.dues.at(-1)?.runId, cluster.dues.at(-1)?.attempt], [due.runId, 2]);
    cluster.record(due, 'CANCELLED');
    await cluster.finish(due, 'CANCELLED');
    await cluster.until(() => cluster.job().active.length === 0, 'its end is heard');
  }
});

void test('an occurrence that nobody tracks is cancelled as long as nobody has begun it', async () => {
  const cluster = await Cluster.up();
  const at = cluster.clock.now() + 1_000;
  await cluster.put({ schedule: { at: new Date(at).toISOString() } });
  const runId = scheduledRunId(JOB, at);
  assert.deepEqual(told(await cancel(cluster, runId)), ['rejected', 'unknown_run'], 'it is not decided yet');
  await cluster.dueCount(1);
  assert.deepEqual(told(await cancel(cluster, runId)), ['applied', undefined]);
  assert.ok(cluster.db.cancelledRuns.has(runId));
});

void test('what has ended, what is not there and what is another’s is refused, each as what it is', async () => {
  const cluster = await Cluster.up();
  await cluster.put(HOURLY);
  await cluster.put(HOURLY, { jobId: 'other' });
  await cluster.ask({ type: 'trigger' });
  await cluster.dueCount(1);
  const due = cluster.dues[0]!;
  const madeUp = runIdOf({ ...JOB, trigger: 'manual', cause: 'x', scheduledFor: cluster.clock.now() });
  for (const [runId, more] of [
    [due.runId, { jobId: 'other' }],
    [due.runId, { jobId: 'nobody' }],
    [madeUp, {}],
    [scheduledRunId(JOB, cluster.job().nextAt!), {}],
  ] as const)
    assert.deepEqual(told(await cancel(cluster, runId, more)), ['rejected', 'unknown_run']);
  await cluster.finish(due);
  assert.deepEqual(told(await cancel(cluster, due.runId)), ['rejected', 'conflict']);
  assert.deepEqual(told(await cancel(cluster, due.runId, { jobId: 'other' })), ['rejected', 'unknown_run']);
  const invalid = await cancel(cluster, 'no-run');
  assert.deepEqual([told(invalid), invalid.error?.field], [['rejected', 'invalid'], 'runId']);
  assert.equal(cluster.db.cancelledRuns.size, 0);
});

void test('a cancel that comes twice has one effect', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ ...HOURLY, overlap: 'buffer_all' });
  for (let n = 0; n < 2; n += 1) await cluster.ask({ type: 'trigger' });
  const [waiting] = cluster.job().buffered;
  const commandId = await cluster.send({ type: 'cancel', runId: waiting!.runId, commandId: 'twice' });
  await cluster.send({ type: 'cancel', runId: waiting!.runId, commandId });
  await cluster.answer(commandId, 2);
  await cluster.clock.advance(1_000);
  assert.equal(cluster.outcomes.length, 1);
});
