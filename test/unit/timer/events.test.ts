import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness.ts';

const on = (event: string, more: object = {}): Record<string, unknown> => ({ schedule: { on: event, ...more } });

void test('an event runs every job that listens to it, with its payload beside the job’s own', async () => {
  const cluster = await Cluster.up();
  for (const jobId of ['a', 'b', 'c']) await cluster.put(on(jobId === 'c' ? 'user.left' : 'user.signup'), { jobId });
  const ack = await cluster.emit('user.signup', 'e-1', { plan: 'pro' });
  assert.deepEqual([ack.outcome, ack.matched, ack.job], ['applied', 2, null]);
  await cluster.dueCount(2);
  const event = { name: 'user.signup', id: 'e-1', payload: { plan: 'pro' } };
  for (const due of cluster.dues) {
    assert.deepEqual([due.trigger, due.cause, due.payload, due.event], ['event', 'e-1', { n: 1 }, event]);
  }
  assert.deepEqual(cluster.dues.map(({ jobId }) => jobId).sort(), ['a', 'b']);
  assert.equal(cluster.job('a').runCount, 1);
  assert.equal(cluster.job('a').state, 'SCHEDULED');
});

void test('an event of a known id is a duplicate, and runs nothing', async () => {
  const cluster = await Cluster.up();
  await cluster.put(on('user.signup'));
  await cluster.emit('user.signup', 'e-1');
  const again = await cluster.emit('user.signup', 'e-1');
  assert.deepEqual([again.outcome, again.matched], ['duplicate', null]);
  assert.equal((await cluster.emit('user.signup', 'e-2')).outcome, 'applied');
  await cluster.dueCount(2);
  await cluster.clock.advance(5_000);
  assert.deepEqual(cluster.dues.map(({ cause }) => cause).sort(), ['e-1', 'e-2']);
});

void test('a filter decides, and one that cannot be evaluated does not let an event pass', async () => {
  const cluster = await Cluster.up();
  await cluster.put(on('order', { filter: 'event.amount > 100' }), { jobId: 'large' });
  await cluster.put(on('order', { filter: 'event.customer.vip' }), { jobId: 'vip' });
  assert.equal((await cluster.emit('order', '1', { amount: 150 })).matched, 1);
  assert.equal((await cluster.emit('order', '2', { amount: 50 })).matched, 0);
  assert.equal((await cluster.emit('order', '3', { amount: 50, customer: { vip: true } })).matched, 1);
  await cluster.dueCount(2);
  assert.deepEqual(cluster.dues.map(({ jobId, cause }) => `${jobId} ${cause}`).sort(), ['large 1', 'vip 3']);
});

void test('an invalid filter is refused with the position of what is wrong', async () => {
  const cluster = await Cluster.up();
  const ack = await cluster.put(on('order', { filter: 'event.amount >' }));
  assert.equal(ack.error?.code, 'invalid');
  assert.equal(ack.error?.field, 'job.schedule.filter');
  assert.match(ack.error?.message ?? '', /^job\.schedule\.filter is not valid at character 15: /);
});

void test('a wait moves the run, and its time', async () => {
  const cluster = await Cluster.up();
  await cluster.put(on('user.signup', { wait: '10m' }));
  await cluster.emit('user.signup', 'e-1');
  const emittedAt = cluster.clock.now();
  await cluster.clock.advance(9 * 60_000);
  assert.equal(cluster.dues.length, 0);
  await cluster.dueCount(1, 2 * 60_000);
  const [due] = cluster.dues;
  assert.ok(due!.at >= due!.scheduledFor && due!.scheduledFor <= emittedAt + 10 * 60_000);
  assert.ok(due!.scheduledFor > emittedAt + 10 * 60_000 - 1_000);
});

void test('a cancelled job listens no more, and what waited ends CANCELLED', async () => {
  const cluster = await Cluster.up();
  await cluster.put(on('user.signup', { wait: '1m' }));
  await cluster.emit('user.signup', 'e-1');
  await cluster.ask({ type: 'cancel' });
  assert.equal((await cluster.emit('user.signup', 'e-2')).matched, 0);
  await cluster.put(on('user.signup', { wait: '2m' }));
  await cluster.clock.advance(90_000);
  assert.deepEqual(
    cluster.outcomes.map(({ status, cause }) => `${status} ${cause}`),
    ['CANCELLED e-1'],
  );
  assert.equal(cluster.dues.length, 0);
});

void test('a paused job skips what events ask for, and says so', async () => {
  const cluster = await Cluster.up();
  await cluster.put(on('user.signup'));
  await cluster.ask({ type: 'pause' });
  assert.equal((await cluster.emit('user.signup', 'e-1')).matched, 1);
  await cluster.until(() => cluster.outcomes.length === 1, 'an outcome');
  assert.deepEqual([cluster.outcomes[0]?.status, cluster.outcomes[0]?.reason], ['SKIPPED', 'paused']);
  await cluster.ask({ type: 'resume' });
  await cluster.emit('user.signup', 'e-2');
  await cluster.dueCount(1);
  assert.equal(cluster.dues[0]?.cause, 'e-2');
});

void test('overlap holds for runs of events as for others', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ ...on('tick'), overlap: 'buffer_all' });
  for (const id of ['1', '2', '3']) await cluster.emit('tick', id, { id });
  await cluster.dueCount(1);
  for (const index of [0, 1, 2]) {
    await cluster.dueCount(index + 1);
    await cluster.finish(cluster.dues[index]!);
  }
  assert.deepEqual(
    cluster.dues.map(({ event }) => event?.payload),
    [{ id: '1' }, { id: '2' }, { id: '3' }],
  );
});

void test('maxRuns ends the job, and its listening', async () => {
  const cluster = await Cluster.up();
  await cluster.put(on('tick', { maxRuns: 2 }));
  for (const id of ['1', '2']) await cluster.emit('tick', id);
  await cluster.until(() => cluster.job().state === 'FINISHED', 'the job is finished');
  assert.equal((await cluster.emit('tick', '3')).matched, 0);
  assert.equal(cluster.dues.length, 2);
});

void test('startAt and endAt bound the times of runs; at its end the job is finished', async () => {
  const cluster = await Cluster.up();
  const time = (ms: number): string => new Date(cluster.clock.now() + ms).toISOString();
  await cluster.put(on('tick', { startAt: time(60_000), endAt: time(120_000) }));
  await cluster.emit('tick', 'early');
  await cluster.clock.advance(60_000);
  await cluster.emit('tick', 'in time');
  await cluster.clock.advance(60_000);
  await cluster.until(() => cluster.job().state === 'FINISHED', 'the job is finished');
  assert.equal((await cluster.emit('tick', 'late')).matched, 0);
  assert.deepEqual(
    cluster.dues.map(({ cause }) => cause),
    ['in time'],
  );
});

void test('an event reaches thousands of jobs in parts, each once, also when the timer dies between two of them', async () => {
  const cluster = await Cluster.up();
  const count = 3_500;
  for (let n = 0; n < count; n++) await cluster.schedule(on('tick'), { jobId: `job-${n}`, ack: false });
  await cluster.until(() => cluster.db.subscriptions.size === count, 'all listen', 120_000);
  let parts = 0;
  cluster.storeFault = (_node, method, when) => {
    if (method !== 'step' || when !== 'after') return;
    const seen = [...cluster.db.seenCommands.keys()].filter((key) => key.startsWith('acme/tick/')).length;
    if (seen > parts) parts = seen;
    if (parts === 2 && cluster.nodes.length === 1) {
      cluster.nodes[0]!.kill();
      cluster.start();
    }
  };
  const ack = await cluster.emit('tick', 'e-1');
  assert.deepEqual([ack.outcome, ack.matched], ['applied', count]);
  await cluster.until(() => new Set(cluster.dues.map(({ jobId }) => jobId)).size === count, 'all run', 120_000);
  await cluster.clock.advance(10_000);
  assert.ok(parts >= 4, `${parts} parts`);
  assert.equal(cluster.nodes.length, 2);
  assert.equal(new Set(cluster.dues.map(({ runId }) => runId)).size, count);
});
