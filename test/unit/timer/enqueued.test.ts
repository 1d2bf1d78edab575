/** Commands of their senders' own transactions, in a timer on memory. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { Cluster } from './harness.ts';

const job = (n: number) => ({ type: 'CUSTOM', handler: 'work', payload: { n }, schedule: { every: '1h' } });

function enqueue(cluster: Cluster, jobId: string, n: number): void {
  const command = { type: 'schedule', commandId: `c-${jobId}-${n}`, tenant: 'acme', jobId, job: job(n), ack: true };
  cluster.db.enqueue(command);
}

describe('enqueued commands', () => {
  it('are found within a second without a notice, and applied in their order', async () => {
    const cluster = await Cluster.up();
    for (let n = 1; n <= 5; n++) enqueue(cluster, 'job', n);
    await cluster.clock.advance(1_100);
    assert.deepEqual([cluster.job().version, cluster.job().spec.payload], [5, { n: 5 }]);
    assert.deepEqual(
      cluster.acks.map(({ commandId }) => commandId),
      [1, 2, 3, 4, 5].map((n) => `c-job-${n}`),
    );
    assert.deepEqual(cluster.db.enqueued, []);
  });

  it('more of them than a step takes are applied step by step', async () => {
    const cluster = await Cluster.up({ perStep: 3 });
    for (let n = 1; n <= 20; n++) enqueue(cluster, 'job', n);
    await cluster.clock.advance(1_100);
    assert.equal(cluster.job().version, 20);
  });

  for (const when of ['before', 'after'] as const) {
    it(`each has its effect once, though answers to steps are lost ${when} they take effect`, async () => {
      const cluster = await Cluster.up({ perStep: 5 });
      let steps = 0;
      cluster.storeFault = (_node, method, at) => {
        if (method === 'step' && at === when && ++steps % 2 === 1 && steps < 20)
          throw new BelfryError('step_unclear', 'no answer', { retryable: true });
      };
      // More than a job remembers of its commands: one that came twice would count twice.
      for (let n = 1; n <= 60; n++) enqueue(cluster, 'job', n);
      await cluster.until(() => cluster.db.enqueued.length === 0, 'all are applied');
      await cluster.clock.advance(10_000);
      assert.ok(steps > 5);
      assert.deepEqual([cluster.job().version, cluster.job().spec.payload], [60, { n: 60 }]);
    });
  }

  it('a timer that takes over applies what is left, and the former one nothing more', async () => {
    const cluster = await Cluster.up();
    const [first] = cluster.nodes;
    first!.freeze();
    for (let n = 1; n <= 30; n++) enqueue(cluster, 'job', n);
    const second = cluster.start();
    await cluster.until(() => second.timer.ready().ok && cluster.db.enqueued.length === 0, 'the heir applies them');
    first!.thaw();
    await cluster.clock.advance(10_000);
    assert.equal(cluster.job().version, 30);
  });

  it('data that the store refuses is answered as invalid, and holds up no other', async () => {
    const cluster = await Cluster.up();
    const poison = cluster.poison('bad');
    enqueue(cluster, 'a', 1);
    enqueue(cluster, 'bad', 1);
    enqueue(cluster, 'b', 1);
    await cluster.until(() => cluster.db.enqueued.length === 0, 'all are decided');
    await cluster.until(() => cluster.rejected.length === 1, 'the rejection is heard');
    assert.ok(poison.refusals > 0);
    assert.equal(cluster.job('a').version + cluster.job('b').version, 2);
    const { headers } = cluster.rejected[0]!;
    assert.deepEqual([headers.belfry_error_code, headers.belfry_origin_topic], ['invalid', 'enqueued']);
  });

  it('what is no valid command is rejected like any other', async () => {
    const cluster = await Cluster.up();
    const odd = { type: 'schedule', commandId: 'c-1', tenant: 'acme', jobId: 'odd', job: { type: 'ODD' } };
    cluster.db.enqueue(odd);
    await cluster.until(() => cluster.rejected.length === 1, 'the rejection is heard');
    assert.equal(String(cluster.rejected[0]!.key), 'acme/odd');
    assert.deepEqual(cluster.db.enqueued, []);
  });
});
