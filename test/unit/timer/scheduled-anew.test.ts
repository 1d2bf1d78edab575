/** An occurrence that had its run, or its reason, gets no other: found by simulation, with jobs that went back to a schedule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { Cluster } from './harness.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

test('a recurring schedule that comes back does not decide again what it had decided', async () => {
  const cluster = await Cluster.up();
  const startAt = cluster.clock.now() + 1_000;
  const every = { schedule: { every: '5s', startAt: iso(startAt) }, overlap: 'skip' };
  await cluster.put(every);
  await cluster.dueCount(1);
  await cluster.finish(cluster.dues[0]!);
  await cluster.clock.advance(3_000);
  await cluster.put({ schedule: { fixedDelay: '1h' } });
  const ack = await cluster.put({ ...every, labels: { again: 'yes' } });
  assert.equal(ack.job?.nextFireAt, startAt + 5_000);
  await cluster.clock.advance(500);
  assert.deepEqual([cluster.dues.length, cluster.outcomes.map(({ status }) => status)], [1, ['COMPLETED']]);
});

test('a one-shot that comes back while its run goes on is not skipped for its own sake', async () => {
  const cluster = await Cluster.up();
  const at = { schedule: { at: iso(cluster.clock.now() + 1_000) }, overlap: 'skip' };
  await cluster.put(at);
  await cluster.dueCount(1);
  await cluster.put({ schedule: { every: '1h' }, overlap: 'skip' });
  await cluster.put(at);
  await cluster.clock.advance(1_000);
  assert.deepEqual(cluster.outcomes, []);
});

test('a one-shot that comes back after its run is not skipped because of another', async () => {
  const cluster = await Cluster.up();
  const at = { schedule: { at: iso(cluster.clock.now() + 1_000) }, overlap: 'skip' };
  await cluster.put(at);
  await cluster.dueCount(1);
  await cluster.finish(cluster.dues[0]!);
  await cluster.put({ schedule: { every: '1h' }, overlap: 'skip' });
  await cluster.ask({ type: 'trigger' });
  await cluster.dueCount(2);
  await cluster.put(at);
  await cluster.clock.advance(1_000);
  assert.deepEqual(
    cluster.outcomes.map(({ status }) => status),
    ['COMPLETED'],
  );
});

test('a schedule of which only decided occurrences are left never fires', async () => {
  const cluster = await Cluster.up();
  const startAt = cluster.clock.now() + 1_000;
  await cluster.put({ schedule: { every: '5s', startAt: iso(startAt) }, overlap: 'allow' });
  await cluster.dueCount(1);
  await cluster.clock.advance(2_000);
  const ack = await cluster.put({ schedule: { every: '10s', startAt: iso(startAt), endAt: iso(startAt + 1_000) } });
  assert.equal(ack.error?.code, 'never_fires');
});

test('a retry fires although its one-shot comes back in the same step', async () => {
  const cluster = await Cluster.up();
  const job = { schedule: { at: iso(cluster.clock.now() + 1_000) } };
  await cluster.put(job);
  await cluster.dueCount(1);
  const [due] = cluster.dues;
  cluster.record(due!, 'FAILED');
  Object.assign(cluster.db.runs.get(due!.runId)!, { status: 'RETRYING', attempt: 2 });
  cluster.nodes[0]!.freeze();
  await cluster.retry(due!, 100);
  await cluster.schedule({ ...job, labels: { again: 'yes' } });
  await cluster.clock.advance(500);
  cluster.nodes[0]!.thaw();
  await cluster.dueCount(2);
  assert.deepEqual(
    cluster.dues.map(({ attempt }) => attempt),
    [1, 2],
  );
});

test('a message whose time passed while two commands waited, one away from it and one back, reaches readers once', async () => {
  const cluster = await Cluster.up();
  const message = { type: 'KAFKA_MESSAGE', handler: undefined, payload: { topic: 'orders', value: 'v' } };
  const at = { ...message, schedule: { at: iso(cluster.clock.now() + 2_000) } };
  await cluster.put(at);
  let isAway = true;
  cluster.storeFault = (_node, method) => {
    if (isAway && ['read', 'step', 'databaseNow'].includes(method))
      throw new BelfryError('store_unavailable', 'away', { retryable: true });
  };
  await cluster.schedule({ ...message, schedule: { at: iso(cluster.clock.now() - 60_000) } });
  const last = await cluster.schedule({ ...at, labels: { again: 'yes' } });
  await cluster.clock.advance(4_000);
  isAway = false;
  await cluster.answer(last);
  await cluster.clock.advance(5_000);
  const runIds = cluster.messages.map(({ headers }) => headers.belfry_run_id);
  assert.deepEqual([runIds.length, new Set(runIds).size], [2, 2]);
  assert.equal(cluster.job().state, 'FINISHED');
});
