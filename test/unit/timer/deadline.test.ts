/** A one-shot with a deadline: nothing runs past it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness.ts';

const HOUR = 3_600_000;

/** Nobody is there for an hour. */
async function away(cluster: Cluster): Promise<void> {
  cluster.nodes[0]!.kill();
  await cluster.clock.advance(HOUR);
  cluster.start();
}

test('a one-shot that no timer came to by its deadline is SKIPPED (missed), and over', async () => {
  const cluster = await Cluster.up();
  const scheduledFor = cluster.clock.now() + 5_000;
  await cluster.put({ schedule: { at: new Date(scheduledFor).toISOString() }, missed: { window: '30m' } });
  await away(cluster);
  await cluster.until(() => cluster.job().state === 'FINISHED', 'it is over', 60_000);
  assert.deepEqual(cluster.runs(), [{ status: 'SKIPPED', scheduledFor, reason: 'missed' }]);
  assert.deepEqual([cluster.dues.length, cluster.outcomes.length, cluster.job().runCount], [0, 1, 0]);
});

test('one whose deadline is still to come runs late, with its own time', async () => {
  const cluster = await Cluster.up();
  const scheduledFor = cluster.clock.now() + 5_000;
  await cluster.put({ schedule: { at: new Date(scheduledFor).toISOString() }, missed: { window: '2h' } });
  await away(cluster);
  await cluster.dueCount(1, 60_000);
  assert.deepEqual([cluster.dues[0]!.scheduledFor, cluster.job().state], [scheduledFor, 'FINISHED']);
});

test('a deadline that passes in a pause has passed at the resume', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { in: '5s' }, missed: { window: '1m' } });
  await cluster.ask({ type: 'pause' });
  await cluster.clock.advance(120_000);
  await cluster.ask({ type: 'resume' });
  await cluster.until(() => cluster.job().state === 'FINISHED', 'it is over');
  assert.deepEqual(
    cluster.runs().map(({ reason }) => reason),
    ['missed'],
  );
});
