/** A permission that is missing in Kafka, or a topic that somebody deleted, is no fault of the records that need it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionStep } from '../../../services/core/ports/timer-store.ts';
import type { ConsumedRecord } from '../../../services/core/records.ts';
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

/** Twelve messages, half of them to a topic that is denied. */
async function halfForbidden(cluster: Cluster): Promise<void> {
  cluster.broker.createTopic('forbidden', 1);
  cluster.faults.denies = (topic) => topic === 'forbidden';
  for (let index = 0; index < 12; index++) {
    await cluster.put(message(index % 2 === 0 ? 'forbidden' : 'orders'), { jobId: `message-${index}` });
  }
}

/** What stands in the topic. */
async function readAll(cluster: Cluster, topic: string): Promise<ConsumedRecord[]> {
  const seen: ConsumedRecord[] = [];
  const read = { topics: [topic], from: 'beginning', isolation: 'read_committed' } as const;
  void cluster.broker.client('reader').tail({ ...read, onRecord: (record) => seen.push(record) });
  await cluster.clock.advance(10);
  return seen;
}

test('messages to a topic that is denied stop no others and make no timer unready; they come when it is granted', async () => {
  const cluster = await Cluster.up();
  await halfForbidden(cluster);
  await cluster.until(() => cluster.messages.length === 6, 'those to the other topic come', 5_000);
  assert.equal(reasonsOf(cluster), '');
  await cluster.clock.advance(60_000);
  assert.deepEqual(failedOf(cluster), []);
  delete cluster.faults.denies;
  await cluster.until(
    () => cluster.runs().filter(({ status }) => status === 'COMPLETED').length === 12,
    'all are done',
  );
  const ids = (await readAll(cluster, 'forbidden')).map(({ headers }) => headers.belfry_run_id);
  assert.deepEqual([ids.length, new Set(ids).size], [6, 6]);
});

test('messages to a topic that stays denied have failed after five minutes, with what to grant, and can be replayed', async () => {
  const cluster = await Cluster.up();
  await halfForbidden(cluster);
  await cluster.clock.advance(4 * 60_000);
  assert.deepEqual(failedOf(cluster), []);
  await cluster.until(() => failedOf(cluster).length === 6, 'they have failed', 4 * 60_000);
  const [run] = [...cluster.db.runs.values()].filter(({ status }) => status === 'FAILED');
  assert.deepEqual([run?.error?.code, 'deniedSince' in run!.due!], ['publish_failed', false]);
  assert.match(run!.error!.message, /forbidden/);
  delete cluster.faults.denies;
  await cluster.clock.advance(10_000);
  assert.equal((await cluster.ask({ type: 'replay', jobId: run!.jobId, runId: run!.runId })).outcome, 'applied');
  await cluster.clock.advance(1_000);
  assert.equal((await readAll(cluster, 'forbidden')).length, 1);
});

test('a message that waits for a permission ends with its job’s cancel, and is never sent', async () => {
  const cluster = await Cluster.up();
  await halfForbidden(cluster);
  await cluster.clock.advance(20_000);
  assert.equal((await cluster.ask({ type: 'cancel', jobId: 'message-0' })).outcome, 'applied');
  await cluster.until(() => cluster.outcomes.some(({ status }) => status === 'CANCELLED'), 'it is cancelled', 1_000);
  delete cluster.faults.denies;
  await cluster.clock.advance(120_000);
  assert.equal((await readAll(cluster, 'forbidden')).length, 5);
});

for (const when of ['before', 'after'] as const) {
  test(`messages that wait for a permission come once each though their timer dies ${when} it has put them off`, async () => {
    const cluster = await Cluster.up();
    const isPuttingOff = (steps: readonly PartitionStep[]): boolean =>
      steps.some(({ addTimers }) => addTimers.some(({ kind, topic }) => kind === 'retry' && topic === ''));
    cluster.storeFault = (node, method, phase, [steps]) => {
      if (node !== 'timer-1' || method !== 'step' || phase !== when) return;
      if (isPuttingOff(steps as PartitionStep[])) cluster.nodes[0]!.kill();
    };
    await halfForbidden(cluster);
    await cluster.clock.advance(3_000);
    delete cluster.faults.denies;
    cluster.start();
    await cluster.until(
      () => cluster.runs().filter(({ status }) => status === 'COMPLETED').length === 12,
      'all are done',
    );
    for (const topic of ['forbidden', 'orders']) {
      const ids = (await readAll(cluster, topic)).map(({ headers }) => headers.belfry_run_id);
      assert.deepEqual([ids.length, new Set(ids).size], [6, 6], topic);
    }
    assert.deepEqual(failedOf(cluster), []);
  });
}

test('thousands of messages to a topic that does not exist cost a few steps, not one each', async () => {
  const cluster = await Cluster.up();
  let steps = 0;
  for (let index = 0; index < 300; index++)
    await cluster.schedule({ ...message('none'), schedule: { in: '30s' } }, { jobId: `m-${index}` });
  await cluster.clock.advance(25_000);
  cluster.storeFault = (_node, method, when) => {
    if (method === 'step' && when === 'before') steps++;
  };
  await cluster.until(() => failedOf(cluster).length === 300, 'all have failed', 20_000);
  assert.ok(steps < 100, `${steps} steps`);
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
