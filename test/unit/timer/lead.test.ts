/** What goes to executors is decided a little before its time, which they wait for; everything else is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LIMITS } from '../../../services/timer/deps.ts';
import { Cluster } from './harness.ts';

const MINUTE = 60_000;
const { leadMs } = DEFAULT_LIMITS;
const iso = (ms: number): string => new Date(ms).toISOString();

test('the due record of a one-shot is there before its time, and says when that is', async () => {
  const cluster = await Cluster.up({ leadMs });
  const at = cluster.clock.now() + 5_000;
  await cluster.put({ schedule: { at: iso(at) } });
  await cluster.dueCount(1);
  const [due] = cluster.dues;
  assert.equal(due?.dueAt, at);
  assert.ok(due.at >= at - 2 * leadMs && due.at < at, `${due.at - at} ms`);
});

test('an occurrence of a recurring job goes early, and the next one is that after it', async () => {
  const cluster = await Cluster.up({ leadMs });
  const begin = cluster.clock.now();
  await cluster.put({ schedule: { every: '1m' }, overlap: 'allow' });
  await cluster.clock.advance(3 * MINUTE);
  assert.deepEqual(
    cluster.dues.map(({ scheduledFor }) => scheduledFor - begin),
    [MINUTE, 2 * MINUTE, 3 * MINUTE],
  );
  assert.ok(cluster.dues.every(({ at, scheduledFor }) => at < scheduledFor));
});

test('what is due within the lead of each other goes out together', async () => {
  const cluster = await Cluster.up({ leadMs });
  const at = cluster.clock.now() + 5_000;
  for (let n = 0; n < 10; n++)
    await cluster.put({ schedule: { at: iso(at + n) } }, { jobId: `job-${n}`, commandId: `at-${n}` });
  await cluster.dueCount(10);
  assert.equal(new Set(cluster.dues.map((due) => due.at)).size, 1);
});

test('an occurrence that is skipped for an active run is told of at its time, not before', async () => {
  const cluster = await Cluster.up({ leadMs });
  const begin = cluster.clock.now();
  await cluster.put({ schedule: { every: '1m' } });
  await cluster.clock.advance(begin + 2 * MINUTE - 1 - cluster.clock.now());
  assert.deepEqual(cluster.runs(), []);
  await cluster.clock.advance(MINUTE / 2);
  assert.deepEqual(cluster.runs(), [{ status: 'SKIPPED', scheduledFor: begin + 2 * MINUTE, reason: 'overlap' }]);
  assert.ok(cluster.outcomes[0]!.finishedAt >= begin + 2 * MINUTE);
});

test('a run that would have to wait for another one is not made to wait before its time', async () => {
  const cluster = await Cluster.up({ leadMs });
  await cluster.put({ schedule: { every: '1m' }, overlap: 'buffer_one' });
  await cluster.dueCount(1, 2 * MINUTE);
  const [first] = cluster.dues;
  await cluster.clock.advance(first!.scheduledFor + MINUTE - leadMs / 2 - cluster.clock.now());
  await cluster.finish(first!);
  await cluster.dueCount(2, MINUTE);
  const second = cluster.dues[1]!;
  assert.ok(second.dueAt >= second.scheduledFor, `${second.dueAt - second.scheduledFor} ms`);
});

test('a message to Kafka is written at its time, not before', async () => {
  const cluster = await Cluster.up({ leadMs });
  const at = cluster.clock.now() + 5_000;
  await cluster.put({
    type: 'KAFKA_MESSAGE',
    handler: undefined,
    payload: { topic: 'orders', value: 1 },
    schedule: { at: iso(at) },
  });
  await cluster.clock.advance(at - 1 - cluster.clock.now());
  assert.equal(cluster.messages.length, 0);
  await cluster.until(() => cluster.messages.length === 1, 'the message is there');
  assert.ok(cluster.clock.now() >= at);
});
