/**
 * What waits in a timer was written some time ago. When it fires, what it says of its job must hold: else an executor
 * would cancel a run for a trigger of last week, or hand it to a queue that the job has left.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cluster } from './harness.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Two triggers, the second of which cancels what the first one started. */
async function cancelRunning(cluster: Cluster): Promise<void> {
  await cluster.ask({ type: 'trigger', overlap: 'skip' });
  await cluster.ask({ type: 'trigger', overlap: 'cancel_running' });
  await cluster.until(() => cluster.job().cancelGen === 1, 'what was active is cancelled');
}

const last = (cluster: Cluster): Cluster['dues'][number] => cluster.dues.at(-1)!;

describe('A run that waited in a timer is not cancelled for an earlier trigger', () => {
  it('of a one-shot, whose run still continues the trace of its sender', async () => {
    const cluster = await Cluster.up();
    const at = cluster.clock.now() + 5_000;
    const job = { type: 'CUSTOM', handler: 'work', schedule: { at: iso(at) } };
    await cluster.answer(await cluster.send({ type: 'schedule', job }, { traceparent: TRACE }));
    await cancelRunning(cluster);
    assert.equal(cluster.timers, 1);
    await cluster.dueCount(3);
    const { scheduledFor, cancelGen, traceparent } = last(cluster);
    assert.deepEqual([scheduledFor, cancelGen, traceparent], [at, 1, TRACE]);
    assert.equal(cluster.job().state, 'FINISHED');
  });

  it('of a one-shot that was taken over by another timer since', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ schedule: { at: iso(cluster.clock.now() + 20_000) } });
    await cancelRunning(cluster);
    cluster.nodes[0]!.kill();
    cluster.start();
    const scheduled = () => cluster.dues.find(({ trigger }) => trigger === 'schedule');
    await cluster.until(() => scheduled() !== undefined, 'it is due', 60_000);
    assert.equal(scheduled()!.cancelGen, 1);
  });

  it('of a one-shot that was paused meanwhile', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ schedule: { in: '5s' } });
    await cluster.ask({ type: 'pause' });
    await cancelRunning(cluster);
    await cluster.ask({ type: 'resume' });
    await cluster.dueCount(3);
    assert.deepEqual([last(cluster).trigger, last(cluster).cancelGen], ['schedule', 1]);
  });

  it('of an occurrence', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ schedule: { every: '5s' }, overlap: 'allow' });
    await cancelRunning(cluster);
    await cluster.dueCount(3);
    assert.deepEqual([last(cluster).trigger, last(cluster).cancelGen], ['schedule', 1]);
  });

  it('of an event', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ schedule: { on: 'signup', wait: '5s' } });
    await cluster.emit('signup', 'e-1');
    await cancelRunning(cluster);
    await cluster.dueCount(3);
    assert.deepEqual([last(cluster).trigger, last(cluster).cancelGen], ['event', 1]);
  });

  it('of a backfill that waits for its turn', async () => {
    const cluster = await Cluster.up();
    const from = Math.floor(cluster.clock.now() / 1_000) * 1_000 - 7_200_000;
    await cluster.put({ schedule: { every: '1h', startAt: iso(from) }, overlap: 'allow' });
    await cluster.ask({ type: 'trigger', overlap: 'skip' });
    await cluster.ask({ type: 'backfill', from: iso(from), to: iso(from + 1), overlap: 'buffer_all' });
    await cluster.ask({ type: 'trigger', overlap: 'cancel_running' });
    await cluster.dueCount(2);
    for (const due of [...cluster.dues]) await cluster.finish(due, 'CANCELLED');
    await cluster.dueCount(3);
    assert.deepEqual([last(cluster).trigger, last(cluster).cancelGen], ['backfill', 1]);
  });

  it('but a retry is: its run was active', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ schedule: { every: '1h' }, overlap: 'skip' });
    await cluster.ask({ type: 'trigger' });
    await cluster.dueCount(1);
    await cluster.retry(cluster.dues[0]!, 60_000);
    await cluster.until(() => cluster.timers === 2, 'the retry waits');
    await cluster.ask({ type: 'trigger', overlap: 'cancel_running' });
    await cluster.dueCount(3, 5_000);
    const retry = cluster.dues.find(({ attempt }) => attempt === 2)!;
    assert.ok(retry.cancelGen < cluster.job().cancelGen);
  });
});

describe('A run that waited in a timer is as its job is when it fires', () => {
  const before = { handler: 'old', priority: 'low', labels: { a: '1' }, payload: 1 };
  const after = { handler: 'new', priority: 'high', labels: { b: '2' }, payload: 2, overlap: 'allow' };
  const seen = ({ handler, priority, labels, payload, jobVersion }: Cluster['dues'][number]): unknown => ({
    ...{ handler, priority, labels, payload, jobVersion },
  });
  const wanted = { handler: 'new', priority: 'high', labels: { b: '2' }, payload: 2, jobVersion: 2 };
  const schedules: Record<string, (now: number) => object> = {
    'a one-shot': (now) => ({ at: iso(now + 5_000) }),
    'an occurrence': () => ({ every: '5s' }),
    'a fixed delay': () => ({ fixedDelay: '5s' }),
    'an event': () => ({ on: 'signup', wait: '5s' }),
  };
  for (const [name, of] of Object.entries(schedules)) {
    it(`of ${name}`, async () => {
      const cluster = await Cluster.up();
      const schedule = of(cluster.clock.now());
      await cluster.put({ ...before, schedule });
      await cluster.emit('signup', 'e-1');
      await cluster.put({ ...after, schedule });
      await cluster.dueCount(1);
      assert.deepEqual(seen(cluster.dues[0]!), wanted);
    });
  }

  it('of a run that waited for its turn', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ ...before, schedule: { every: '1h' }, overlap: 'buffer_all' });
    await cluster.ask({ type: 'trigger' });
    await cluster.ask({ type: 'trigger' });
    await cluster.put({ ...after, schedule: { every: '1h' }, overlap: 'buffer_all' });
    await cluster.dueCount(1);
    await cluster.finish(cluster.dues[0]!);
    await cluster.dueCount(2);
    assert.deepEqual(seen(last(cluster)), wanted);
  });

  it('but a retry is of the version of its run', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ ...before, schedule: { every: '1h' } });
    await cluster.ask({ type: 'trigger' });
    await cluster.dueCount(1);
    await cluster.retry(cluster.dues[0]!, 2_000);
    await cluster.put({ ...after, schedule: { every: '1h' } });
    await cluster.dueCount(2);
    assert.deepEqual(seen(last(cluster)), { ...before, jobVersion: 1 });
  });
});

it('A one-shot that asks about overlap continues the trace of its sender, too', async () => {
  const cluster = await Cluster.up();
  const job = { type: 'CUSTOM', handler: 'work', schedule: { in: '1s' }, overlap: 'skip' };
  await cluster.send({ type: 'schedule', job }, { traceparent: TRACE });
  await cluster.dueCount(1);
  assert.equal(cluster.dues[0]!.traceparent, TRACE);
});
