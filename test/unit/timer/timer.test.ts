import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import { Cluster, P } from './harness.ts';

const MINUTE = 60_000;
const iso = (ms: number): string => new Date(ms).toISOString();

test('a one-shot is acknowledged, becomes due at its time and not before, and its job is FINISHED', async () => {
  const cluster = await Cluster.up();
  const at = cluster.clock.now() + 5_000;
  const ack = await cluster.put({ schedule: { at: iso(at) } });
  assert.deepEqual([ack.outcome, ack.job], ['applied', { state: 'SCHEDULED', version: 1, nextFireAt: at }]);
  await cluster.dueCount(1);
  const [due] = cluster.dues;
  assert.equal(due?.scheduledFor, at);
  assert.ok(due.at >= at, 'never early');
  assert.ok(due.at <= at + 20, 'at once');
  assert.deepEqual([due.payload, due.handler, due.attempt, due.trigger], [{ n: 1 }, 'work', 1, 'schedule']);
  assert.deepEqual([cluster.job().state, cluster.timers], ['FINISHED', 0]);
});

test('a one-shot in the past runs at once with its own scheduled time', async () => {
  const cluster = await Cluster.up();
  const at = cluster.clock.now() - 86_400_000;
  await cluster.put({ schedule: { at: iso(at) } });
  await cluster.dueCount(1, 100);
  assert.equal(cluster.dues[0]?.scheduledFor, at);
});

test('a cron job runs at each occurrence', async () => {
  const cluster = await Cluster.up();
  const begin = Math.floor(cluster.clock.now() / MINUTE) * MINUTE;
  await cluster.put({ schedule: { cron: '* * * * *' }, overlap: 'allow' });
  await cluster.clock.advance(5 * MINUTE);
  assert.deepEqual(
    cluster.dues.map((due) => due.scheduledFor),
    [1, 2, 3, 4, 5].map((n) => begin + n * MINUTE),
  );
  assert.equal(cluster.job().state, 'SCHEDULED');
});

test('the same command sent again is a duplicate, also a trigger', async () => {
  const cluster = await Cluster.up();
  const id = await cluster.schedule({ schedule: { every: '1h' } });
  await cluster.schedule({ schedule: { every: '1h' } }, { commandId: id });
  assert.equal((await cluster.answer(id, 2)).outcome, 'duplicate');
  const trigger = await cluster.send({ type: 'trigger' });
  await cluster.send({ type: 'trigger', commandId: trigger });
  assert.equal((await cluster.answer(trigger, 2)).outcome, 'duplicate');
  assert.equal(cluster.dues.length, 1);
});

test('an invalid command is put aside with its bytes and the reason, and answered', async () => {
  const cluster = await Cluster.up();
  const ack = await cluster.put({ schedule: { every: '1h', croon: 1 } });
  assert.deepEqual([ack.outcome, ack.error?.code, ack.error?.field], ['rejected', 'invalid', 'job.schedule.croon']);
  const [record] = cluster.rejected;
  assert.equal(record?.headers.belfry_error_code, 'invalid');
  assert.match(String(record.value), /croon/);
});

test('bytes that are no command are put aside and stop nothing', async () => {
  const cluster = await Cluster.up();
  await cluster.raw('acme/job', '{');
  assert.equal((await cluster.put({ schedule: { every: '1h' } })).outcome, 'applied');
  assert.equal(cluster.rejected[0]?.headers.belfry_error_code, 'unreadable');
});

test('a command under another key than its job is refused', async () => {
  const cluster = await Cluster.up();
  const command = { type: 'cancel', commandId: 'x', tenant: 'acme', jobId: 'job', ack: true };
  await cluster.raw('acme/other', JSON.stringify(command));
  assert.equal((await cluster.answer('x')).error?.code, 'key_mismatch');
});

test('a record in the wrong partition is forwarded to its own and applied there, with and without a key', async () => {
  const cluster = await Cluster.up();
  const wrong = (partitionOf('acme/job', P) + 1) % P;
  const job = { type: 'CUSTOM', handler: 'h', schedule: { every: '1h' } };
  const command = { type: 'schedule', tenant: 'acme', jobId: 'job', ack: true, job };
  await cluster.raw('acme/job', JSON.stringify({ ...command, commandId: 'a' }), { partition: wrong });
  assert.equal((await cluster.answer('a')).outcome, 'applied');
  await cluster.raw(null, JSON.stringify({ ...command, commandId: 'b' }), { partition: wrong });
  assert.equal((await cluster.answer('b')).job?.version, 2);
});

test('a job for a queue that has no topic is refused, with what to do', async () => {
  const cluster = await Cluster.up();
  const ack = await cluster.put({ schedule: { every: '1h' }, queue: 'gpu' });
  assert.equal(ack.error?.field, 'job.queue');
  assert.match(ack.error.message, /belfry migrate --queue gpu/);
});

test('a fixed delay counts from the end of the run before', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { fixedDelay: '5m' } });
  await cluster.dueCount(1, 10 * MINUTE);
  await cluster.clock.advance(42_000);
  const endedAt = cluster.clock.now();
  await cluster.finish(cluster.dues[0]!, 'FAILED');
  await cluster.clock.advance(5 * MINUTE - 1_000);
  assert.equal(cluster.dues.length, 1);
  await cluster.dueCount(2, 5_000);
  assert.equal(cluster.dues[1]?.scheduledFor, endedAt + 5 * MINUTE);
});

test('a lost outcome stops no fixed delay: the sweep finds the end of the run', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { fixedDelay: '5m' } });
  await cluster.dueCount(1, 10 * MINUTE);
  cluster.record(cluster.dues[0]!, 'COMPLETED');
  await cluster.dueCount(2, 8 * MINUTE);
});

test('under overlap skip an occurrence is SKIPPED while a run is active, with a row and an event', async () => {
  const cluster = await Cluster.up();
  const begin = cluster.clock.now();
  await cluster.put({ schedule: { every: '1m' } });
  await cluster.clock.advance(2 * MINUTE + 100);
  assert.equal(cluster.dues.length, 1);
  assert.deepEqual(cluster.runs(), [{ status: 'SKIPPED', scheduledFor: begin + 2 * MINUTE, reason: 'overlap' }]);
  assert.deepEqual(
    cluster.outcomes.map(({ status, reason }) => [status, reason]),
    [['SKIPPED', 'overlap']],
  );
  await cluster.finish(cluster.dues[0]!);
  await cluster.clock.advance(MINUTE);
  assert.equal(cluster.dues.length, 2);
});

test('buffer_one keeps one run waiting, starts it when the active one ends, and skips the others', async () => {
  const cluster = await Cluster.up();
  const begin = cluster.clock.now();
  await cluster.put({ schedule: { every: '1m' }, overlap: 'buffer_one' });
  await cluster.clock.advance(3 * MINUTE + 100);
  assert.equal(cluster.dues.length, 1);
  assert.deepEqual(
    cluster.runs().map((run) => run.scheduledFor),
    [begin + 3 * MINUTE],
  );
  await cluster.finish(cluster.dues[0]!);
  await cluster.dueCount(2, 1_000);
  assert.equal(cluster.dues[1]?.scheduledFor, begin + 2 * MINUTE);
});

test('cancel_running raises the generation, so that executors end what runs, and starts the new run', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { every: '1m' }, overlap: 'cancel_running' });
  await cluster.dueCount(1, 2 * MINUTE);
  await cluster.retry(cluster.dues[0]!, 3_600_000);
  await cluster.clock.advance(MINUTE + 100);
  const generations = cluster.dues.map((due) => [due.attempt, due.cancelGen]);
  assert.deepEqual(
    generations.sort(),
    [
      [1, 0],
      [1, 1],
      [2, 0],
    ],
    'the waiting retry comes at once, to be ended',
  );
});

test('a paused job fires nothing; on resume what passed is SKIPPED (paused)', async () => {
  const cluster = await Cluster.up();
  const begin = cluster.clock.now();
  await cluster.put({ schedule: { every: '1m' }, overlap: 'allow' });
  assert.deepEqual((await cluster.ask({ type: 'pause' })).job, { state: 'PAUSED', version: 1, nextFireAt: null });
  await cluster.clock.advance(2.5 * MINUTE);
  assert.equal(cluster.dues.length, 0);
  const ack = await cluster.ask({ type: 'resume' });
  assert.equal(ack.job?.nextFireAt, begin + 3 * MINUTE);
  assert.deepEqual(
    cluster.runs().map(({ reason }) => reason),
    ['paused', 'paused'],
  );
  await cluster.dueCount(1, MINUTE);
});

test('a one-shot whose time passed in a pause runs on resume', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { in: '1m' } });
  await cluster.ask({ type: 'pause' });
  await cluster.clock.advance(5 * MINUTE);
  assert.equal(cluster.dues.length, 0);
  await cluster.ask({ type: 'resume' });
  await cluster.dueCount(1, 100);
});

test('a cancelled job fires no more, its waiting runs end CANCELLED, its retries come forward', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { every: '1m' }, overlap: 'buffer_all' });
  await cluster.clock.advance(2 * MINUTE + 100);
  await cluster.retry(cluster.dues[0]!, 3_600_000);
  await cluster.clock.advance(1_000);
  const ack = await cluster.ask({ type: 'cancel' });
  assert.equal(ack.job?.state, 'CANCELLED');
  assert.deepEqual(
    cluster.runs().map(({ status }) => status),
    ['CANCELLED'],
  );
  await cluster.clock.advance(10 * MINUTE);
  assert.deepEqual(
    cluster.dues.map((due) => due.attempt),
    [1, 2],
  );
  assert.ok(cluster.dues[1]!.dueAt <= cluster.dues[1]!.at);
  assert.equal(cluster.timers, 0);
  assert.equal((await cluster.ask({ type: 'trigger' })).error?.code, 'conflict');
});

test('a retry that comes after the cancel does not wait for its time', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { at: iso(cluster.clock.now()) } });
  await cluster.dueCount(1);
  await cluster.ask({ type: 'cancel' });
  await cluster.retry(cluster.dues[0]!, 3_600_000);
  await cluster.dueCount(2, 1_000);
});

test('a retry waits for its time and goes out as it is, once though it was heard of twice', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { at: iso(cluster.clock.now()) } });
  await cluster.dueCount(1);
  await cluster.retry(cluster.dues[0]!, 10_000);
  await cluster.retry(cluster.dues[0]!, 10_000);
  await cluster.clock.advance(9_000);
  assert.equal(cluster.dues.length, 1);
  await cluster.clock.advance(5_000);
  assert.deepEqual(
    cluster.dues.map((due) => due.attempt),
    [1, 2],
  );
});

test('a dead run is replayed with its payload and idempotency key, once unless forced, also when its job is gone', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { at: iso(cluster.clock.now()) } });
  await cluster.dueCount(1);
  const [dead] = cluster.dues;
  assert.equal((await cluster.ask({ type: 'replay', runId: dead!.runId })).error?.code, 'unknown_run');
  cluster.record(dead!, 'FAILED');
  cluster.db.jobs.clear();
  assert.equal((await cluster.ask({ type: 'replay', runId: dead!.runId })).outcome, 'applied');
  await cluster.dueCount(2);
  const replay = cluster.dues[1]!;
  assert.deepEqual(
    [replay.replayOf, replay.idempotencyKey, replay.payload, replay.trigger, replay.scheduledFor],
    [dead!.runId, dead!.idempotencyKey, { n: 1 }, 'replay', dead!.scheduledFor],
  );
  assert.equal((await cluster.ask({ type: 'replay', runId: dead!.runId })).error?.code, 'conflict');
  assert.equal((await cluster.ask({ type: 'replay', runId: dead!.runId, force: true })).outcome, 'applied');
  assert.equal(new Set(cluster.dues.map((due) => due.runId)).size, 3);
});

test('a trigger runs a job beside its schedule, with its own payload', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { every: '1h' } });
  await cluster.ask({ type: 'trigger', payload: { n: 2 } });
  await cluster.dueCount(1);
  assert.deepEqual([cluster.dues[0]?.payload, cluster.dues[0]?.trigger], [{ n: 2 }, 'manual']);
  await cluster.ask({ type: 'trigger' });
  assert.deepEqual(
    cluster.outcomes.map(({ reason }) => reason),
    ['overlap'],
  );
});

test('at a take-over the latest missed occurrence runs, one less late than the threshold too, the others are SKIPPED', async () => {
  const cluster = await Cluster.up();
  const begin = cluster.clock.now();
  await cluster.put({ schedule: { every: '1m' }, overlap: 'allow' });
  cluster.nodes[0]!.kill();
  await cluster.clock.advance(10 * MINUTE + 30_000);
  cluster.start();
  await cluster.dueCount(2, 20_000);
  await cluster.clock.advance(1_000);
  assert.deepEqual(
    cluster.dues.map((due) => due.scheduledFor),
    [begin + 9 * MINUTE, begin + 10 * MINUTE],
  );
  assert.deepEqual(
    cluster.runs().map(({ reason }) => reason),
    Array<string>(8).fill('missed'),
  );
});

test('a message is produced exactly once, with the run and its key in the headers, and its run is COMPLETED', async () => {
  const cluster = await Cluster.up();
  const payload = { topic: 'orders', key: 'k', value: { total: 3 }, headers: { x: '1' } };
  await cluster.put({ type: 'KAFKA_MESSAGE', handler: undefined, payload, schedule: { in: '1s' } });
  await cluster.until(() => cluster.messages.length > 0, 'the message');
  const [message] = cluster.messages;
  assert.deepEqual([String(message?.key), String(message?.value), message?.headers.x], ['k', '{"total":3}', '1']);
  assert.equal(message?.partition, partitionOf('k', 3));
  await cluster.clock.advance(3_000);
  assert.deepEqual(
    cluster.outcomes.map(({ status, runId }) => [status, runId]),
    [['COMPLETED', message?.headers.belfry_run_id]],
  );
  assert.deepEqual(
    cluster.runs().map(({ status }) => status),
    ['COMPLETED'],
  );
  assert.deepEqual([...cluster.db.outbox.values()].flat(), []);
});

test('a message for a topic that does not exist fails with publish_failed, goes to the DLQ, and holds up no other', async () => {
  const cluster = await Cluster.up();
  const job = (topic: string): Record<string, unknown> => ({
    type: 'KAFKA_MESSAGE',
    handler: undefined,
    payload: { topic, value: 'v' },
    schedule: { every: '1m' },
  });
  await cluster.put(job('nowhere'));
  await cluster.put(job('orders'), { jobId: 'job-2' });
  await cluster.clock.advance(MINUTE + 3_000);
  assert.deepEqual(
    cluster
      .runs()
      .map(({ status }) => status)
      .sort(),
    ['COMPLETED', 'FAILED'],
  );
  assert.equal(cluster.dead.length, 1);
  assert.equal(cluster.outcomes.find(({ status }) => status === 'FAILED')?.error?.code, 'publish_failed');
  await cluster.clock.advance(MINUTE);
  assert.equal(cluster.messages.length, 2, 'both jobs go on');
  assert.deepEqual([cluster.job().active, cluster.dead.length], [[], 2]);
});

test('what is due while the broker is away waits, is said by ready(), and comes when it is back', async () => {
  const cluster = await Cluster.up();
  await cluster.put({ schedule: { every: '1s' }, overlap: 'allow' });
  cluster.faults.before = (client, request) => {
    if (client.startsWith('timer') && request === 'send')
      throw new BelfryError('broker_unavailable', 'away', { retryable: true });
  };
  await cluster.clock.advance(30_000);
  assert.equal(cluster.dues.length, 0);
  assert.match(cluster.nodes[0]!.timer.ready().reasons.join(), /cannot produce/);
  delete cluster.faults.before;
  await cluster.dueCount(30, 5_000);
  assert.ok(cluster.nodes[0]!.timer.ready().ok);
});

test('a poison command is found and refused; those around it are applied', async () => {
  const cluster = await Cluster.up();
  const poison = 'poison';
  const step = cluster.poison(poison);
  const ids = await Promise.all(
    ['a', 'b', poison, 'c', 'd'].map((jobId) => cluster.schedule({ schedule: { every: '1h' } }, { jobId })),
  );
  const acks = await Promise.all(ids.map((id) => cluster.answer(id)));
  assert.deepEqual(
    acks.map(({ outcome }) => outcome),
    ['applied', 'applied', 'rejected', 'applied', 'applied'],
  );
  assert.ok(step.refusals > 0);
});
