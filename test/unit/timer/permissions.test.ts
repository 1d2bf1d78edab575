/** A permission that is missing in Kafka, or a topic that somebody deleted, is no fault of the records that need it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './harness.ts';

const message = (topic: string): Record<string, unknown> => ({
  ...{ type: 'KAFKA_MESSAGE', handler: undefined, payload: { topic, value: 'v' }, schedule: { in: '1s' } },
});
const reasonsOf = (cluster: Cluster): string => cluster.nodes[0]!.timer.ready().reasons.join('; ');
const failedOf = (cluster: Cluster): string[] =>
  cluster.runs().flatMap(({ status }) => (status === 'FAILED' ? status : []));

test('runs that are due while their topic is denied for a minute wait for it, and none fails', async () => {
  const cluster = await Cluster.up();
  for (let index = 0; index < 20; index++) await cluster.put({ schedule: { in: '5s' } }, { jobId: `job-${index}` });
  const denied = cluster.topics.due('default', 'medium');
  cluster.faults.denies = (topic) => topic === denied;
  await cluster.clock.advance(60_000);
  assert.match(reasonsOf(cluster), new RegExp(`cannot produce: Kafka denies topic ${denied}`));
  assert.deepEqual([cluster.dues.length, failedOf(cluster)], [0, []]);
  delete cluster.faults.denies;
  await cluster.dueCount(20);
  await cluster.until(() => cluster.nodes[0]!.timer.ready().ok, 'all is well');
  assert.deepEqual(failedOf(cluster), []);
});

test('commands to other partitions wait while job.commands is denied: no chain loses a run', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { in: '5s' } }, { jobId: 'first' });
  for (let index = 0; index < 8; index++) {
    await cluster.put({ schedule: { after: [{ job: 'first' }] } }, { jobId: `then-${index}` });
  }
  await cluster.dueCount(1, 10_000);
  await cluster.finish({ ...cluster.dues[0]!, tracked: true });
  cluster.faults.denies = (topic) => topic === cluster.topics.commands;
  await cluster.clock.advance(60_000);
  assert.equal(cluster.dues.length, 1);
  delete cluster.faults.denies;
  await cluster.dueCount(9);
});

test('messages wait while one of Belfry’s own topics is denied', async () => {
  const cluster = await Cluster.up();
  await cluster.put(message('orders'), { jobId: 'message' });
  cluster.faults.denies = (topic) => topic === cluster.topics.completed;
  await cluster.clock.advance(60_000);
  assert.match(reasonsOf(cluster), /cannot publish messages of partition \d: Kafka denies topic job.completed/);
  assert.deepEqual(failedOf(cluster), []);
  delete cluster.faults.denies;
  await cluster.until(() => cluster.messages.length === 1, 'the message comes');
});

test('a message to a topic that is denied stops no other message, and does not make the timer unready', async () => {
  const cluster = await Cluster.up();
  cluster.broker.createTopic('forbidden', 1);
  cluster.faults.denies = (topic) => topic === 'forbidden';
  for (let index = 0; index < 12; index++) {
    await cluster.put(message(index % 2 === 0 ? 'forbidden' : 'orders'), { jobId: `message-${index}` });
  }
  await cluster.until(() => cluster.messages.length === 6, 'those to the other topic come', 5_000);
  assert.equal(reasonsOf(cluster), '');
});

test('a run for a queue whose topics were removed fails, and holds up no other', async () => {
  const cluster = await Cluster.up();
  const topics = ['high', 'medium', 'low'].map((priority) => cluster.topics.due('gone', priority as 'high'));
  for (const topic of topics) cluster.broker.createTopic(topic, 1);
  await cluster.put({ queue: 'gone', schedule: { in: '5s' } }, { jobId: 'gone' });
  await cluster.put({ schedule: { in: '5s' } }, { jobId: 'job' });
  for (const topic of topics) cluster.broker.deleteTopic(topic);
  await cluster.dueCount(1, 10_000);
  await cluster.until(() => failedOf(cluster).length === 1, 'the other has failed');
});
