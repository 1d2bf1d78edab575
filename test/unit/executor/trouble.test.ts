import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { Cluster, eachWithCluster, forever, unavailable } from './harness.ts';

describe('executors in trouble', () => {
  let cluster: Cluster;
  eachWithCluster((fresh) => (cluster = fresh));

  describe('at shutdown', () => {
    it('let their runs finish, and give their partitions to others meanwhile', async () => {
      cluster = new Cluster(1);
      const leaving = cluster.start({ work: cluster.sleeper(10_000) });
      await cluster.live(leaving);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      const staying = cluster.start({ work: () => 'at once' });
      await cluster.live(staying);
      const stopped = leaving.executor.stop({ timeoutMs: 25_000 });
      const next = cluster.due();
      await cluster.clock.advance(200);
      await cluster.fire(next);
      const outcome = await cluster.untilOutcome(next, 2_000);
      assert.equal(outcome.worker, 'node-2');
      assert.equal((await cluster.untilOutcome(due)).worker, 'node-1');
      await cluster.clock.advance(5_000);
      await stopped;
      assert.equal(cluster.outcomes.length, 2);
      assert.equal(cluster.db.parked.size, 0);
    });

    it('hand back what does not finish, at no cost', async () => {
      const leaving = cluster.start({
        work: async ({ signal }: HandlerContext) => {
          await cluster.clock.sleep(1e9, signal);
          throw new Error('stopped');
        },
      });
      await cluster.live(leaving);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      const staying = cluster.start({ work: () => 'second' });
      await cluster.live(staying);
      const stopped = leaving.executor.stop({ timeoutMs: 5_000 });
      const outcome = await cluster.untilOutcome(due, 10_000);
      await cluster.clock.advance(10_000);
      await stopped;
      assert.deepEqual([outcome.result, outcome.attempt], ['second', 1]);
      assert.equal(cluster.db.runs.get(due.runId)?.lost, 0);
    });

    it('never hand back an at_most_once run that has started', async () => {
      const leaving = cluster.start({ work: forever });
      await cluster.live(leaving);
      const due = cluster.due({ delivery: 'at_most_once' });
      await cluster.fire(due);
      await cluster.running(due);
      const stopped = leaving.executor.stop({ timeoutMs: 1_000 });
      const outcome = await cluster.untilOutcome(due);
      await cluster.clock.advance(20_000);
      await stopped;
      assert.deepEqual([outcome.status, outcome.error?.code], ['FAILED', 'lost']);
    });

    it('end in bounded time though the database is away', async () => {
      const node = cluster.start({ work: forever });
      await cluster.live(node);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      node.storeFault = () => {
        throw unavailable();
      };
      let ended = false;
      void node.executor.stop({ timeoutMs: 5_000 }).then(() => (ended = true));
      await cluster.clock.advance(40_000);
      assert.equal(ended, true);
    });
  });

  describe('at their start', () => {
    it('are ready when their groups have let them in, and not before', async () => {
      const frozen = cluster.start({ work: () => 'done' });
      await cluster.live(frozen);
      frozen.freeze(); // no rebalance completes before its session has ended
      const late = cluster.start({ work: () => 'done' });
      await cluster.clock.advance(3_000);
      assert.deepEqual(late.executor.ready(), {
        ok: false,
        reasons: ['waiting to join its consumer groups: is Kafka reachable?'],
      });
      await cluster.clock.advance(5_000);
      assert.deepEqual(late.executor.ready(), { ok: true, reasons: [] });
      frozen.thaw();
    });

    it('are ready too when there is no partition left for them', async () => {
      cluster = new Cluster(1);
      const nodes = [cluster.start({ work: () => 'done' }), cluster.start({ work: () => 'done' })];
      await cluster.live(...nodes);
      await cluster.clock.advance(1_000);
      assert.deepEqual(
        nodes.map(({ executor }) => executor.stats().partitions).sort((a, b) => a - b),
        [0, 3],
      );
    });
  });

  describe('when servers fail', () => {
    it('settle nothing under a lost lease, abort, and begin a new incarnation', async () => {
      const reasons: string[] = [];
      let starts = 0;
      const node = cluster.start({
        work: async ({ signal }: HandlerContext) => {
          if (++starts > 1) return 'second';
          await cluster.clock.sleep(1e9, signal);
          reasons.push((signal.reason as BelfryError).code);
          throw new Error('aborted');
        },
      });
      await cluster.live(node);
      const former = node.executor.stats().executor;
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      const lease = cluster.db.leases.get(former ?? '');
      assert.ok(lease);
      lease.dead = true;
      await cluster.clock.advance(2_000);
      assert.deepEqual(reasons, ['lost_lease']);
      assert.notEqual(node.executor.stats().executor, former);
      assert.equal(cluster.outcomes.length, 0);
      const outcome = await cluster.untilOutcome(due, 20_000);
      assert.deepEqual([outcome.result, cluster.db.runs.get(due.runId)?.lost], ['second', 1]);
    });

    it('abort what runs when the lease ran out, and go on when the database is back', async () => {
      let starts = 0;
      const node = cluster.start({
        work: async ({ signal }: HandlerContext) => {
          if (++starts > 1) return 'second';
          await cluster.clock.sleep(1e9, signal);
          throw new Error('aborted');
        },
      });
      await cluster.live(node);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      node.storeFault = () => {
        throw unavailable();
      };
      await cluster.clock.advance(10_000);
      assert.equal(node.executor.ready().ok, false);
      node.storeFault = null;
      const outcome = await cluster.untilOutcome(due, 20_000);
      assert.deepEqual([outcome.result, outcome.attempt, cluster.db.runs.get(due.runId)?.lost], ['second', 1, 0]);
      assert.equal(node.executor.ready().ok, true);
    });

    it('run each run once though every other answer of the database is lost', async () => {
      let starts = 0;
      let calls = 0;
      const node = cluster.start({ work: () => (starts++, cluster.clock.sleep(100)) });
      await cluster.live(node);
      node.storeFault = (_method, when) => {
        if (when === 'after' && ++calls % 2 === 0) throw unavailable();
      };
      const dues = Array.from({ length: 20 }, () => cluster.due());
      await cluster.fire(...dues);
      for (const due of dues) assert.equal((await cluster.untilOutcome(due)).status, 'COMPLETED');
      assert.equal(starts, 20);
      node.storeFault = null;
    });

    it('publish again what a failed transaction left unsaid, with the same ids', async () => {
      let failures = 0;
      cluster.faults.after = (_client, request) => {
        if (request === 'commit' && ++failures <= 3)
          throw new BelfryError('broker_unavailable', 'no answer', { retryable: true });
      };
      const node = cluster.start({ work: () => 'said' });
      await cluster.live(node);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.clock.until(() => cluster.uncommitted() === 0 && cluster.outcomes.length > 0, 'published');
      await cluster.clock.advance(2_000);
      assert.equal(new Set(cluster.outcomes.map((outcome) => outcome.eventId)).size, 1);
      assert.equal(node.executor.stats().publishing, 0);
    });

    it('begin a new incarnation when their producer is fenced, and publish what was settled', async () => {
      const node = cluster.start({ work: cluster.sleeper(2_000) });
      await cluster.live(node);
      const former = node.executor.stats().executor ?? '';
      const due = cluster.due();
      const early = cluster.due();
      await cluster.fire(early);
      await cluster.untilOutcome(early);
      await cluster.fire(due);
      await cluster.running(due);
      void cluster.broker.client('fencer').fence(`belfry-executor-${former}`);
      assert.equal((await cluster.untilOutcome(due)).status, 'COMPLETED');
      assert.notEqual(node.executor.stats().executor, former);
    });

    it('go on past an event that the broker refuses: its run is in the history', async () => {
      cluster = new Cluster(1, { maxRecordBytes: 20_000 });
      const node = cluster.start({ work: ({ payload }) => 'x'.repeat((payload as { length: number }).length) });
      await cluster.live(node);
      const dues = [10, 30_000, 10].map((length) => cluster.due({ payload: { length } }));
      await cluster.fire(...dues);
      await cluster.clock.until(() => dues.every((due) => cluster.status(due) === 'COMPLETED'), 'all have run');
      await cluster.clock.until(() => cluster.uncommitted() === 0, 'offsets are committed');
      assert.deepEqual(
        dues.map((due) => cluster.outcomeOf(due)?.status),
        ['COMPLETED', undefined, 'COMPLETED'],
      );
    });

    it('do no harm as a zombie: frozen past the lease, its late results change nothing', async () => {
      cluster = new Cluster(1);
      const zombie = cluster.start({ work: async () => (await cluster.clock.sleep(3_000), 'zombie') });
      await cluster.live(zombie);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      const heir = cluster.start({ work: async () => (await cluster.clock.sleep(3_000), 'heir') });
      await cluster.live(heir);
      await cluster.clock.advance(1_000);
      zombie.freeze();
      await cluster.clock.until(() => cluster.db.runs.get(due.runId)?.lost === 1, 'it is taken over', 30_000);
      zombie.thaw();
      const outcome = await cluster.untilOutcome(due);
      await cluster.clock.advance(10_000);
      assert.equal(outcome.result, 'heir');
      assert.ok(cluster.outcomes.every((each) => each.result === 'heir'));
    });
  });
});
