/** One of a batch that a server refuses, whatever let it get that far: it is found among the others in log n requests. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { DueRecord } from '../../../services/core/records.ts';
import { Cluster, type Node } from './harness.ts';

const COUNT = 400;

void describe('a run that a server refuses among 400', () => {
  let cluster: Cluster;
  let dues: DueRecord[];
  let culprit: DueRecord;
  beforeEach(() => {
    cluster = new Cluster(1, { maxRecordBytes: 20_000 });
    dues = Array.from({ length: COUNT }, () => cluster.due());
    culprit = dues[123]!;
  });
  afterEach(() => cluster.stop());

  /** The store refuses every call of this method that names the culprit. @returns how often it was called */
  function refusing(node: Node, method: string, names = 1): () => number {
    let calls = 0;
    node.storeFault = (name, when, args) => {
      if (name !== method || when !== 'before') return;
      calls++;
      if (names > 0 && JSON.stringify(args).includes(culprit.runId)) throw new BelfryError('bad_data', 'no');
    };
    return () => calls;
  }

  async function othersEnd(): Promise<void> {
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'all offsets are committed');
    const others = dues.filter((due) => due !== culprit);
    assert.ok(others.every((due) => cluster.outcomeOf(due)?.status === 'COMPLETED'));
  }

  void it('as it claims ends as failed where people see it; the others run', async () => {
    const node = cluster.start({ work: () => 'done' }, { slots: COUNT });
    await cluster.live(node);
    const claims = refusing(node, 'claim');
    await cluster.fire(...dues);
    const outcome = await cluster.untilOutcome(culprit);
    assert.deepEqual([outcome.status, outcome.error?.code], ['FAILED', 'payload_invalid']);
    await othersEnd();
    assert.equal(cluster.dead.length, 1);
    assert.ok(claims() <= 25, `${claims()} claims`);
  });

  void it('as it settles fails for its result; those of the others are kept', async () => {
    const node = cluster.start({ work: () => 'done' }, { slots: COUNT });
    await cluster.live(node);
    let settlements = 0;
    node.storeFault = (name, when, args) => {
      if (name !== 'settle' || when !== 'before') return;
      settlements++;
      const batch = args[1] as { runId: string; status: string }[];
      if (batch.some(({ runId, status }) => runId === culprit.runId && status === 'COMPLETED'))
        throw new BelfryError('bad_data', 'no');
    };
    await cluster.fire(...dues);
    assert.equal((await cluster.untilOutcome(culprit)).error?.code, 'result_invalid');
    await othersEnd();
    assert.ok(settlements <= 25, `${settlements} settlements`);
  });

  void it('as its outcome is published loses that news alone, and costs no transaction for each', async () => {
    let commits = 0;
    cluster.faults.before = (_client, request) => void (request === 'commit' && commits++);
    const big = (runId: string): boolean => runId === culprit.runId;
    const node = cluster.start({ work: ({ runId }) => (big(runId) ? 'x'.repeat(30_000) : 'done') }, { slots: COUNT });
    await cluster.live(node);
    await cluster.fire(...dues);
    await cluster.clock.until(() => cluster.outcomes.length === COUNT - 1, 'the others are published');
    await othersEnd();
    assert.equal(cluster.outcomeOf(culprit), undefined);
    assert.equal(cluster.status(culprit), 'COMPLETED');
    assert.ok(commits <= 30, `${commits} transactions`);
  });

  void it('as it is handed over ends as failed; the others wait for an executor that has their handler', async () => {
    const node = cluster.start({ other: () => 'done' });
    await cluster.live(node);
    const parks = refusing(node, 'park');
    await cluster.fire(...dues);
    assert.equal((await cluster.untilOutcome(culprit)).status, 'FAILED');
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'no offset waits');
    assert.equal(cluster.db.parked.size, COUNT - 1);
    assert.ok(parks() <= 25, `${parks()} writes`);
    assert.deepEqual(node.fatal, []);
  });
});
