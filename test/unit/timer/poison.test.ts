/** One input must never stop the rest: whatever a record, a row or a statement does, the others go on, and it ends in a durable place. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { partitionOf } from '../../../services/core/murmur2.ts';
import type { OutgoingRecord } from '../../../services/core/records.ts';
import { jobKey } from '../../../services/core/topics.ts';
import { addTimer } from '../../../services/adapters/memory/timer-queue.ts';
import { dueOf, timerIn } from '../../conformance/timer-fixtures.ts';
import { Cluster, P } from './harness.ts';

const MINUTE = 60_000;
const slow = (): BelfryError => new BelfryError('step_unclear', 'the statement took too long', { retryable: true });

/** A job of `tenant` in that partition. */
function jobOf(tenant: string, partition: number, prefix = 'job'): string {
  for (let n = 1; ; n++) if (partitionOf(jobKey(tenant, `${prefix}-${n}`), P) === partition) return `${prefix}-${n}`;
}

/** Commands of another tenant are applied in every partition, and their runs become due. */
async function othersGoOn(cluster: Cluster, withinMs = 5_000): Promise<void> {
  const begunAt = cluster.clock.now();
  const before = cluster.dues.length;
  const jobs = Array.from({ length: P }, (_, partition) => jobOf('globex', partition, `other-${begunAt}`));
  const ids = await Promise.all(
    jobs.map((jobId) => cluster.schedule({ schedule: { in: '0s' } }, { jobId, tenant: 'globex' })),
  );
  await cluster.until(
    () => ids.every((id) => cluster.acks.some(({ commandId, outcome }) => commandId === id && outcome === 'applied')),
    'commands of another tenant are applied in every partition',
    withinMs,
  );
  await cluster.dueCount(before + P, withinMs);
}

function retryOf(tenant: string, partition: number, fields: object = {}): OutgoingRecord {
  const due = { ...dueOf('0199a000-0000-8000-8000-000000000001', 'job'), tenant, ...fields };
  const value = Buffer.from(JSON.stringify(due));
  return { topic: 'job.retry', partition, key: Buffer.from('x'), value, headers: {} };
}

function isRejected(cluster: Cluster, topic: string, code = 'invalid'): boolean {
  return cluster.rejected.some(
    ({ headers }) => headers.belfry_origin_topic === topic && headers.belfry_error_code === code,
  );
}

describe('a record that cannot be applied', () => {
  const NUL = 'a\u0000b';
  const partition = partitionOf(jobKey(NUL, 'job'), P);
  const records: Record<string, { topic: string; record: OutgoingRecord }> = {
    'a retry of a tenant with a NUL': { topic: 'job.retry', record: retryOf(NUL, partition) },
    'a retry of no run': {
      topic: 'job.retry',
      record: retryOf('acme', partitionOf(jobKey('acme', 'job'), P), { runId: 'no-uuid' }),
    },
    'a retry beyond all time': {
      topic: 'job.retry',
      record: retryOf('acme', partitionOf(jobKey('acme', 'job'), P), { dueAt: 2 ** 60 }),
    },
    'an outcome of a tenant with a NUL': {
      topic: 'job.completed',
      record: {
        ...{ topic: 'job.completed', partition, key: Buffer.from(jobKey(NUL, 'job')), value: Buffer.from('{}') },
        headers: { belfry_tracked: '1', ce_subject: 'run', ce_time: '2026-01-01T00:00:00Z', ce_type: 'x' },
      },
    },
  };
  for (const [what, { topic, record }] of Object.entries(records)) {
    test(`${what} is among the rejected with its bytes and its reason, and the others go on`, async () => {
      const cluster = await Cluster.up();
      await cluster.publish(record);
      await othersGoOn(cluster);
      await cluster.until(() => isRejected(cluster, topic), 'the record is among the rejected');
      const [rejected] = cluster.rejected;
      assert.deepEqual(
        [rejected!.value, rejected!.headers.belfry_origin_partition],
        [record.value, String(record.partition)],
      );
      assert.ok(rejected!.headers.belfry_error_message!.length > 10);
    });
  }
});

describe('a job that cannot be read', () => {
  const causes = {
    'because the store refuses its name': new BelfryError('bad_data', 'invalid byte sequence'),
    'because its row takes too long': new BelfryError('store_unavailable', 'timeout', { retryable: true }),
    'because its row is no JSON': new SyntaxError('Unexpected token'),
  };
  for (const [why, cause] of Object.entries(causes)) {
    test(`${why} has its command rejected, and the others go on`, async () => {
      const cluster = await Cluster.up();
      const jobId = jobOf('acme', 1, 'unreadable');
      cluster.storeFault = (_node, method, _when, [jobs]) => {
        if (method === 'read' && (jobs as { jobId: string }[]).some((job) => job.jobId === jobId)) throw cause;
      };
      const command = await cluster.schedule({ schedule: { every: '1h' } }, { jobId });
      const retry = retryOf('acme', 1, { jobId });
      await cluster.publish({ ...retry, key: Buffer.from(jobKey('acme', jobId)) });
      await cluster.put({ schedule: { every: '1h' } }, { jobId: jobOf('globex', 2), tenant: 'globex' });
      assert.equal((await cluster.answer(command)).error?.code, 'invalid');
      await cluster.until(() => isRejected(cluster, 'job.retry'), 'the retry is among the rejected, too');
      assert.deepEqual(
        cluster.rejected.find(({ headers }) => headers.belfry_origin_topic === 'job.retry')!.value,
        retry.value,
      );
      await othersGoOn(cluster);
    });
  }
});

describe('a step that always takes too long', () => {
  test('is tried in halves until its command is found; that is rejected, and the others go on meanwhile', async () => {
    const cluster = await Cluster.up();
    const jobId = jobOf('acme', 1, 'heavy');
    cluster.refuse(({ jobs }) => (jobs.some((job) => job.jobId === jobId) ? slow() : undefined));
    const beside = Array.from({ length: 40 }, (_, n) => jobOf('acme', 1, `beside-${n}`));
    const ids = await Promise.all(
      [...beside.slice(0, 20), jobId, ...beside.slice(20)].map((id) =>
        cluster.schedule({ schedule: { every: '1h' } }, { jobId: id }),
      ),
    );
    // Other partitions do not wait for it at all, that one until it is found.
    await cluster.put({ schedule: { every: '1h' } }, { jobId: jobOf('globex', 2), tenant: 'globex' });
    const acks = await Promise.all(ids.map((id) => cluster.answer(id)));
    assert.deepEqual(
      acks.flatMap(({ outcome, jobId: id }) => (outcome === 'applied' ? [] : [id])),
      [jobId],
    );
    await othersGoOn(cluster);
  });

  test('of an enqueued command leaves those enqueued behind it in their order', async () => {
    const cluster = await Cluster.up();
    const jobId = jobOf('acme', 1, 'heavy');
    cluster.refuse(({ enqueued, rejected }) => (enqueued.includes(2) && rejected.length === 0 ? slow() : undefined));
    const enqueue = (n: number): void => {
      const job = { type: 'CUSTOM', handler: 'work', payload: n, schedule: { every: '1h' } };
      const command = { type: 'schedule', commandId: `c-${n}`, tenant: 'acme', jobId, job, ack: true } as const;
      cluster.db.enqueue(command);
    };
    for (let n = 1; n <= 3; n++) enqueue(n);
    await cluster.clock.advance(2_000); // they are on trial
    for (let n = 4; n <= 9; n++) enqueue(n);
    await cluster.answer('c-9');
    const applied = cluster.acks.filter(({ outcome }) => outcome === 'applied').map(({ commandId }) => commandId);
    // What the partition left unproduced when it was taken again is said twice.
    assert.deepEqual(
      [...new Set(applied)],
      [1, 3, 4, 5, 6, 7, 8, 9].map((n) => `c-${n}`),
    );
    assert.deepEqual(cluster.job(jobId).spec.payload, 9);
  });

  test('does not hold up other partitions while it hangs', async () => {
    const cluster = await Cluster.up();
    const jobId = jobOf('acme', 1, 'heavy');
    cluster.hang((steps) => steps.some(({ jobs }) => jobs.some((job) => job.jobId === jobId)), 10_000);
    await cluster.schedule({ schedule: { every: '1h' } }, { jobId });
    await cluster.clock.advance(11_000);
    const begunAt = cluster.clock.now();
    for (let round = 0; round < 20; round++) {
      await cluster.put({ schedule: { in: '0s' } }, { jobId: jobOf('globex', 2, `round-${round}`), tenant: 'globex' });
    }
    assert.ok(cluster.clock.now() - begunAt < 5_000, `${cluster.clock.now() - begunAt} ms`);
  });
});

describe('an outage', () => {
  test("of the store, however long and whatever still answers, is nobody's fault", async () => {
    for (const down of [
      () => true,
      (method: string) => method !== 'databaseNow',
      (method: string) => method === 'step',
    ]) {
      const cluster = await Cluster.up();
      cluster.storeFault = (_node, method) => {
        if (down(method))
          throw new BelfryError(method === 'step' ? 'step_unclear' : 'store_unavailable', 'away', { retryable: true });
      };
      const ids = await Promise.all(
        Array.from({ length: 10 }, (_, n) => cluster.schedule({ schedule: { in: '0s' } }, { jobId: `job-${n}` })),
      );
      await cluster.clock.advance(10 * MINUTE);
      cluster.storeFault = null;
      const acks = await Promise.all(ids.map((id) => cluster.answer(id)));
      assert.ok(acks.every(({ outcome }) => outcome === 'applied'));
      await cluster.dueCount(10);
      assert.deepEqual(cluster.rejected, []);
    }
  });
});

describe('a timer that cannot be fired', () => {
  test('has its run FAILED, with a dead run to be replayed; its job and the others go on', async () => {
    const cluster = await Cluster.up();
    await cluster.put({ schedule: { every: '10m' }, overlap: 'allow' }, { jobId: 'bad' });
    const first = cluster.job('bad').nextAt!;
    // The due record of that occurrence cannot be written.
    cluster.refuse(({ jobs, runs }) => {
      const fires = jobs.some(({ jobId, nextAt }) => jobId === 'bad' && nextAt! > first) && runs.length === 0;
      return fires && cluster.clock.now() < first + MINUTE ? new BelfryError('bad_data', 'no such time') : undefined;
    });
    await cluster.clock.advance(11 * MINUTE);
    assert.deepEqual(
      cluster.outcomes.map(({ jobId, status, scheduledFor, error }) => [jobId, status, scheduledFor, error?.code]),
      [['bad', 'FAILED', first, 'publish_failed']],
    );
    assert.match(cluster.outcomes[0]!.error!.message, /no such time/);
    assert.equal(cluster.dead.length, 1);
    await othersGoOn(cluster);
    await cluster.until(() => cluster.dues.some(({ jobId }) => jobId === 'bad'), 'the next occurrence', 20 * MINUTE);
  });

  test('nor failed, has its row among the rejected', async () => {
    const cluster = await Cluster.up();
    const [node] = cluster.nodes;
    await cluster.put({ schedule: { every: '1h' } });
    await node!.timer.stop();
    const { partition } = cluster.job();
    const timer = timerIn(partition, { tenant: 'acme', jobId: 'job', kind: 'run', due: 'no JSON', topic: '' });
    addTimer(cluster.db.timers.get(partition)!, { ...timer, fireAt: cluster.clock.now() });
    const heir = cluster.start();
    await cluster.until(() => heir.timer.ready().ok, 'the timer is ready');
    await othersGoOn(cluster);
    await cluster.until(() => isRejected(cluster, 'timers'), 'the row is among the rejected');
    assert.equal((JSON.parse(String(cluster.rejected[0]!.value)) as { due: string }).due, 'no JSON');
    assert.equal(cluster.timers, 1, 'that of the job');
  });
});

test('the loop lets others run while nothing but an offset without a record stands before a poison', async () => {
  const cluster = await Cluster.up();
  cluster.poison('poison');
  const partition = partitionOf(jobKey('acme', 'poison'), P);
  // An outcome that means nothing to a timer only moves the offset.
  const meansNothing = {
    topic: 'job.completed',
    partition,
    key: Buffer.from('acme/x'),
    value: Buffer.from('{}'),
    headers: {},
  };
  await cluster.put({ schedule: { in: '1s' } }, { jobId: jobOf('acme', partition) });
  await cluster.publish(meansNothing);
  for (let n = 0; n < 4; n++) await cluster.schedule({ schedule: { every: '1h' } }, { jobId: 'poison' });
  await cluster.publish(meansNothing);
  await cluster.dueCount(1);
  await othersGoOn(cluster);
  assert.equal(cluster.nodes[0]!.timer.ready().ok, true);
});
