import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { Cluster, P } from './harness.ts';

const JOBS = 20;

/** Jobs of every partition, each with a run a second. */
async function busy(options: { type?: string } = {}): Promise<Cluster> {
  const cluster = await Cluster.up();
  const message = { type: 'KAFKA_MESSAGE', handler: undefined, payload: { topic: 'orders', value: 'v' } };
  const job = options.type === 'KAFKA_MESSAGE' ? message : {};
  const ids = Array.from({ length: JOBS }, (_, n) =>
    cluster.schedule({ ...job, schedule: { every: '1s' }, overlap: 'allow' }, { jobId: `job-${n}` }),
  );
  for (const id of await Promise.all(ids)) await cluster.answer(id);
  return cluster;
}

/** Every job has run each of its occurrences up to now, and nothing else. */
async function nothingLostNorDoubled(cluster: Cluster, runIds: () => string[]): Promise<void> {
  await cluster.clock.advance(1_500);
  const last = new Map<string, number>();
  for (const [key, job] of cluster.db.jobs) {
    assert.ok(job.nextAt! > cluster.clock.now() - 100, `${key} is up to date`);
    last.set(key, (job.nextAt! - job.anchorAt) / 1_000 - 1);
  }
  const expected = [...last.values()].reduce((sum, count) => sum + count, 0);
  const skipped = cluster.runs().filter(({ status }) => status === 'SKIPPED').length;
  assert.equal(new Set(runIds()).size + skipped, expected);
}

const duesById = (cluster: Cluster) => () => cluster.dues.map(({ runId }) => runId);
const messagesById = (cluster: Cluster) => () => cluster.messages.map(({ headers }) => headers.belfry_run_id!);

test('a clean stop hands over at once', async () => {
  const cluster = await busy();
  cluster.start();
  await cluster.clock.advance(5_000);
  const stopping = cluster.nodes[0]!.timer.stop();
  const stoppedAt = cluster.clock.now();
  const other = cluster.nodes[1]!.timer;
  await cluster.until(() => other.stats().partitionsOwned === P && other.ready().ok, 'the other has all partitions');
  assert.ok(cluster.clock.now() - stoppedAt < 1_500, `${cluster.clock.now() - stoppedAt} ms`);
  await cluster.clock.advance(3_000);
  await stopping;
  await nothingLostNorDoubled(cluster, duesById(cluster));
  assert.equal(new Set(duesById(cluster)()).size, cluster.dues.length, 'not even repeats');
});

test('two timers share the partitions, and a killed one is replaced within 10 s', async () => {
  const cluster = await busy();
  cluster.start();
  await cluster.until(() => cluster.nodes[1]!.timer.stats().partitionsOwned === P / 2, 'half of them');
  cluster.nodes[0]!.kill();
  await cluster.until(() => cluster.nodes[1]!.timer.stats().partitionsOwned === P, 'all of them', 10_000);
  await nothingLostNorDoubled(cluster, duesById(cluster));
});

test('a rebalance does not stop the firing of partitions that one keeps', async () => {
  const cluster = await busy();
  const epochs = (): number[] => [...cluster.db.owners.values()].map(({ epoch }) => epoch);
  cluster.start();
  await cluster.clock.advance(3_000);
  assert.deepEqual(epochs().sort(), [1, 1, 2, 2]);
  const lateness = Math.max(...cluster.dues.map(({ at, dueAt }) => at - dueAt));
  assert.ok(lateness < 500, `${lateness} ms`);
});

test('a timer that dies between a step and its records leaves them to the next, which produces them', async () => {
  const cluster = await busy();
  cluster.storeFault = (node, method, when) => {
    if (node !== 'timer-1' || method !== 'step' || when !== 'after') return;
    if ([...cluster.db.outbox.values()].some((rows) => rows.length > 0)) cluster.nodes[0]!.kill();
  };
  await cluster.clock.advance(3_000);
  cluster.start();
  await cluster.clock.advance(20_000);
  await nothingLostNorDoubled(cluster, duesById(cluster));
});

test('a frozen timer that thaws after its partitions went to another changes nothing', async () => {
  const cluster = await busy();
  cluster.start();
  await cluster.clock.advance(3_000);
  cluster.nodes[0]!.freeze();
  await cluster.clock.advance(15_000);
  assert.equal(cluster.nodes[1]!.timer.stats().partitionsOwned, P);
  cluster.nodes[0]!.thaw();
  await cluster.clock.advance(20_000);
  const owned = cluster.nodes.map(({ timer }) => timer.stats().partitionsOwned);
  assert.deepEqual(owned, [P / 2, P / 2], 'both work again');
  await nothingLostNorDoubled(cluster, duesById(cluster));
});

for (const when of ['before', 'after'] as const) {
  test(`a step whose outcome is unclear (the connection was lost ${when} it) is neither lost nor applied twice`, async () => {
    const cluster = await busy();
    let faults = 0;
    cluster.storeFault = (_, method, at) => {
      if (method !== 'step' || at !== when || ++faults % 3 !== 0 || faults > 30) return;
      throw new BelfryError('step_unclear', 'connection lost', { retryable: true });
    };
    await cluster.clock.advance(40_000);
    assert.ok(faults > 30);
    await nothingLostNorDoubled(cluster, duesById(cluster));
  });
}

test('a database that is away is waited for, and ready() says so', async () => {
  const cluster = await busy();
  cluster.storeFault = () => {
    throw new BelfryError('store_unavailable', 'the database is away', { retryable: true });
  };
  await cluster.clock.advance(20_000);
  assert.equal(cluster.nodes[0]!.timer.ready().ok, false);
  cluster.storeFault = null;
  await cluster.clock.advance(5_000);
  assert.deepEqual(cluster.nodes[0]!.timer.ready(), { ok: true, reasons: [] });
  await nothingLostNorDoubled(cluster, duesById(cluster));
});

test('a timer that gets partitions back after it was frozen knows what another one did there meanwhile', async () => {
  const cluster = await Cluster.up();
  for (let n = 0; n < JOBS; n++) await cluster.put({ schedule: { in: '1h' } }, { jobId: `later-${n}` });
  await cluster.clock.advance(20_000); // until it has nothing to write down
  cluster.nodes[0]!.freeze();
  cluster.start();
  await cluster.clock.advance(15_000);
  // Enqueued: no topic tells of them afterwards.
  const job = { type: 'CUSTOM', handler: 'work', schedule: { in: '30s' } };
  const jobIds = Array.from({ length: 12 }, (_, index) => `job-${index}`);
  for (const jobId of jobIds) {
    const command = { type: 'schedule', commandId: jobId, tenant: 'acme', jobId, job };
    cluster.db.enqueue(command);
  }
  await cluster.clock.advance(3_000);
  cluster.nodes[0]!.thaw();
  await cluster.clock.advance(40_000);
  assert.equal(cluster.nodes[0]!.timer.stats().partitionsOwned, P / 2);
  assert.deepEqual(cluster.dues.map(({ jobId }) => jobId).sort(), jobIds.toSorted());
});

test('messages come once each through a death in the middle, and the lost answers of transactions', async () => {
  const cluster = await busy({ type: 'KAFKA_MESSAGE' });
  let commits = 0;
  cluster.faults.after = (_, request) => {
    if (request !== 'commit') return;
    commits++;
    if (commits === 20) cluster.nodes[0]!.kill();
    if (commits % 3 === 0) throw new BelfryError('broker_unavailable', 'no answer', { retryable: true });
  };
  await cluster.clock.advance(10_000);
  cluster.start();
  await cluster.clock.advance(30_000);
  delete cluster.faults.after;
  await cluster.clock.advance(5_000);
  await nothingLostNorDoubled(cluster, messagesById(cluster));
  assert.equal(new Set(messagesById(cluster)()).size, cluster.messages.length, 'read_committed readers see no repeats');
  await cluster.clock.advance(2_000);
  const completed = new Set([...cluster.db.runs.values()].map(({ runId }) => runId));
  const early = messagesById(cluster)().slice(0, -3 * JOBS);
  assert.ok(
    early.every((runId) => completed.has(runId)),
    'and each has its row',
  );
});

test('messages come once each when their timer freezes and thaws', async () => {
  const cluster = await busy({ type: 'KAFKA_MESSAGE' });
  cluster.start();
  await cluster.clock.advance(3_010);
  cluster.nodes[0]!.freeze();
  await cluster.clock.advance(15_000);
  cluster.nodes[0]!.thaw();
  await cluster.clock.advance(20_000);
  await nothingLostNorDoubled(cluster, messagesById(cluster));
  assert.equal(new Set(messagesById(cluster)()).size, cluster.messages.length);
});

test('an equal schedule republished by an application at its start changes no occurrence of a message that ran', async () => {
  const cluster = await Cluster.up();
  const at = new Date(cluster.clock.now()).toISOString();
  const message = {
    type: 'KAFKA_MESSAGE',
    handler: undefined,
    payload: { topic: 'orders', value: 'v' },
    schedule: { at },
  };
  await cluster.put(message);
  await cluster.until(() => cluster.messages.length === 1, 'the message');
  await cluster.ask({ type: 'cancel' });
  assert.equal((await cluster.put(message)).outcome, 'applied');
  await cluster.clock.advance(5_000);
  assert.equal(cluster.messages.length, 1);
  assert.equal(cluster.job().state, 'FINISHED');
});
