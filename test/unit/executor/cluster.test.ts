import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { partitionOf } from '../../../services/core/murmur2.ts';
import type { DueRecord } from '../../../services/core/records.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { Cluster, eachWithCluster, forever } from './harness.ts';

describe('executors', () => {
  let cluster: Cluster;
  eachWithCluster((fresh) => (cluster = fresh));

  describe('when one of them dies', () => {
    it('take its runs over within 20 s, and publish one outcome', async () => {
      const victim = cluster.start({ work: forever });
      await cluster.live(victim);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      const heir = cluster.start({ work: () => 'done by the heir' });
      await cluster.live(heir);
      victim.kill();
      const outcome = await cluster.untilOutcome(due, 20_000);
      assert.deepEqual([outcome.status, outcome.result, outcome.attempt], ['COMPLETED', 'done by the heir', 1]);
      assert.equal(cluster.db.runs.get(due.runId)?.lost, 1);
      assert.equal(cluster.retries.length, 0, 'a lost attempt is no retry');
    });

    it('publish what it had settled but not published', async () => {
      let settledAt = 0;
      const victim = cluster.start({ work: () => 'settled' }, { name: 'victim' });
      await cluster.live(victim);
      cluster.faults.before = (client, request) => {
        if (client === 'victim' && request === 'begin') return new Promise(() => (settledAt = cluster.clock.now()));
      };
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.clock.until(() => settledAt > 0, 'it settled');
      const heir = cluster.start({ work: () => 'again' });
      await cluster.live(heir);
      victim.kill();
      const outcome = await cluster.untilOutcome(due, 20_000);
      assert.deepEqual([outcome.status, outcome.result, outcome.worker], ['COMPLETED', 'settled', 'victim']);
    });

    it('end an at_most_once run as lost, and never start it again', async () => {
      let starts = 0;
      const work = (): Promise<void> => (starts++, forever());
      const victim = cluster.start({ work });
      await cluster.live(victim);
      const due = cluster.due({ delivery: 'at_most_once' });
      await cluster.fire(due);
      await cluster.running(due);
      const heir = cluster.start({ work });
      await cluster.live(heir);
      victim.kill();
      const outcome = await cluster.untilOutcome(due, 20_000);
      assert.deepEqual([outcome.status, outcome.error?.code, starts], ['FAILED', 'lost', 1]);
    });

    it('give a run up that has lost its worker three times', async () => {
      let starts = 0;
      const work = (): Promise<void> => (starts++, forever());
      let node = cluster.start({ work });
      await cluster.live(node);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      for (let lost = 1; lost <= 3; lost++) {
        const heir = cluster.start({ work });
        await cluster.live(heir);
        node.kill();
        node = heir;
        await cluster.clock.until(() => (cluster.db.runs.get(due.runId)?.lost ?? 0) >= lost, `lost ${lost} times`);
      }
      const outcome = await cluster.untilOutcome(due);
      assert.deepEqual([outcome.error?.code, starts], ['lost', 3]);
      assert.equal(cluster.dead.length, 1);
    });

    it('find its detached runs, which no offset holds any more', async () => {
      const victim = cluster.start({ work: forever });
      await cluster.live(victim);
      const due = cluster.due({ timeoutMs: 900_000 });
      await cluster.fire(due);
      await cluster.clock.until(() => cluster.db.parked.get(due.runId)?.kind === 'detached', 'it is detached', 40_000);
      await cluster.clock.until(() => cluster.uncommitted() === 0, 'its offset is committed');
      victim.kill();
      const heir = cluster.start({ work: () => 'found' });
      await cluster.live(heir);
      const outcome = await cluster.untilOutcome(due, 30_000);
      assert.equal(outcome.result, 'found');
      await cluster.clock.until(() => cluster.db.parked.size === 0, 'nothing stays parked');
    });
  });

  describe('when partitions move', () => {
    it('hold a run that goes on elsewhere, and publish its outcome once it is there', async () => {
      const first = cluster.start({ work: cluster.sleeper(8_000) });
      await cluster.live(first);
      const dues = Array.from({ length: 8 }, () => cluster.due());
      await cluster.fire(...dues);
      await Promise.all(dues.map((due) => cluster.running(due)));
      const second = cluster.start({ work: () => 'must not run' });
      await cluster.live(second);
      await cluster.clock.until(() => second.executor.stats().partitions > 0, 'partitions moved');
      for (const due of dues) {
        const outcome = await cluster.untilOutcome(due);
        assert.deepEqual([outcome.result, outcome.worker], [null, 'node-1']);
      }
      await cluster.clock.until(() => cluster.uncommitted() === 0, 'all offsets are committed');
      assert.equal(cluster.outcomes.length, 8, 'of a moved partition, the new owner alone publishes');
    });

    it('work on at the same records after a rejoin, without a second run', async () => {
      let starts = 0;
      const node = cluster.start({ work: () => (starts++, cluster.clock.sleep(10_000)) });
      await cluster.live(node);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.running(due);
      const other = cluster.start({ work: () => starts++ });
      await cluster.live(other);
      await cluster.clock.advance(1_000);
      other.kill();
      await cluster.untilOutcome(due);
      await cluster.clock.until(() => cluster.uncommitted() === 0, 'all offsets are committed');
      assert.equal(starts, 1);
      assert.equal(cluster.outcomes.length, 1);
    });
  });

  describe('when work waits here and slots are free there', () => {
    it('all work, though one of them holds the only partition', async () => {
      cluster = new Cluster(1);
      const nodes = [1, 2].map(() => cluster.start({ work: cluster.sleeper(5_000) }, { slots: 2 }));
      await cluster.live(...nodes);
      const dues = Array.from({ length: 8 }, () => cluster.due());
      const startedAt = cluster.clock.now();
      await cluster.fire(...dues);
      const outcomes = await Promise.all(dues.map((due) => cluster.untilOutcome(due)));
      assert.deepEqual(new Set(outcomes.map((outcome) => outcome.worker)), new Set(['node-1', 'node-2']));
      assert.ok(cluster.clock.now() - startedAt < 13_000, `took ${cluster.clock.now() - startedAt} ms`);
      assert.equal(cluster.outcomes.length, 8);
      await cluster.clock.until(() => cluster.db.parked.size === 0 && cluster.uncommitted() === 0, 'all is tidy');
    });

    it('keep their records in Kafka when nobody has a slot', async () => {
      cluster = new Cluster(1);
      const node = cluster.start({ work: cluster.sleeper(5_000) }, { slots: 1 });
      await cluster.live(node);
      await cluster.fire(...Array.from({ length: 400 }, () => cluster.due()));
      await cluster.clock.advance(5_000);
      assert.equal(cluster.db.parked.size, 0);
      assert.ok(node.executor.stats().waiting <= 400);
    });

    it('hand a run to whoever has its handler', async () => {
      const without = cluster.start({ other: () => 1 });
      await cluster.live(without);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.clock.until(() => cluster.db.parked.get(due.runId)?.kind === 'handed_over', 'it is handed over');
      cluster.start({ work: () => 'had it' });
      assert.equal((await cluster.untilOutcome(due)).result, 'had it');
    });

    it('end a run for which nobody has the handler for 5 minutes', async () => {
      const node = cluster.start({ other: () => 1 });
      await cluster.live(node);
      const due = cluster.due();
      await cluster.fire(due);
      await cluster.clock.advance(280_000);
      assert.equal(cluster.outcomes.length, 0);
      const outcome = await cluster.untilOutcome(due, 60_000);
      assert.deepEqual([outcome.status, outcome.error?.code], ['FAILED', 'handler_not_found']);
      assert.equal(cluster.dead.length, 1);
      await cluster.clock.until(() => cluster.db.parked.size === 0, 'nothing stays parked');
    });
  });

  it('let high go first but never stop low', async () => {
    cluster = new Cluster(1);
    const order: string[] = [];
    const node = cluster.start(
      { work: async (ctx) => (order.push(ctx.labels.priority ?? ''), cluster.clock.sleep(50)) },
      { slots: 1 },
    );
    await cluster.live(node);
    const of = (priority: DueRecord['priority'], count: number): DueRecord[] =>
      Array.from({ length: count }, () => cluster.due({ priority, labels: { priority } }));
    await cluster.fire(...of('low', 40), ...of('medium', 40), ...of('high', 40));
    await cluster.clock.until(() => order.length >= 32, 'some ran');
    const share = (priority: string): number => order.slice(2, 32).filter((each) => each === priority).length;
    assert.ok(share('high') >= 19 && share('medium') >= 5 && share('low') >= 2, order.slice(2, 32).join(' '));
  });

  it('keep a thousand runs apart: each runs once, each has one outcome, every offset is committed', async () => {
    const counts = new Map<string, number>();
    const work = async ({ runId }: HandlerContext): Promise<void> => {
      counts.set(runId, (counts.get(runId) ?? 0) + 1);
      await cluster.clock.sleep(20);
    };
    const nodes = [1, 2, 3].map(() => cluster.start({ work }, { slots: 50 }));
    await cluster.live(...nodes);
    const dues = Array.from({ length: 1_000 }, () => cluster.due());
    assert.ok(new Set(dues.map((due) => partitionOf(`acme/${due.jobId}`, 4))).size === 4);
    await cluster.fire(...dues);
    await cluster.clock.until(() => cluster.outcomes.length >= 1_000, 'all are done');
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'all offsets are committed');
    assert.ok(dues.every((due) => counts.get(due.runId) === 1));
    assert.equal(new Set(cluster.outcomes.map((outcome) => outcome.eventId)).size, 1_000);
  });
});
