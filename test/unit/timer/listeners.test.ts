/** How many jobs of a tenant may listen to one event. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_LISTENERS } from '../../../services/timer/listeners.ts';
import { Cluster } from './harness.ts';

const on = (event: string): Record<string, unknown> => ({ schedule: { on: event } });

/** A cluster in whose store so many jobs listen to `boom`. */
async function listening(count: number): Promise<Cluster> {
  const cluster = await Cluster.up();
  for (let n = 0; n < count; n++) {
    const jobId = `listener-${n}`;
    cluster.db.subscriptions.set(`acme/${jobId}`, { tenant: 'acme', jobId, event: 'boom', filter: null });
  }
  return cluster;
}

describe('jobs that listen to one event', () => {
  it('are refused beyond the most that a tenant may have, whatever partitions they are in; others are not', async () => {
    const cluster = await listening(MAX_LISTENERS - 3);
    const ids = await Promise.all(
      Array.from({ length: 12 }, (_, n) => cluster.schedule(on('boom'), { jobId: `job-${n}` })),
    );
    const acks = await Promise.all(ids.map((id) => cluster.answer(id)));
    const refused = acks.filter(({ outcome }) => outcome === 'rejected');
    assert.equal(acks.length - refused.length, 3);
    assert.deepEqual(
      new Set(refused.map(({ error }) => `${error?.code} ${error?.field}`)),
      new Set(['quota job.schedule.on']),
    );
    assert.equal((await cluster.put(on('other'), { jobId: 'other' })).outcome, 'applied');
    assert.equal((await cluster.put(on('boom'), { jobId: 'own', tenant: 'globex' })).outcome, 'applied');
  });

  it('may be changed when there are as many as may be, and when one leaves another may come', async () => {
    const cluster = await listening(MAX_LISTENERS - 1);
    assert.equal((await cluster.put(on('boom'), { jobId: 'last' })).outcome, 'applied');
    assert.equal((await cluster.put({ ...on('boom'), payload: 2 }, { jobId: 'last' })).outcome, 'applied');
    assert.equal((await cluster.put(on('boom'), { jobId: 'more' })).outcome, 'rejected');
    await cluster.ask({ type: 'cancel', jobId: 'last' });
    await cluster.clock.advance(2_000);
    assert.equal((await cluster.put(on('boom'), { jobId: 'more' })).outcome, 'applied');
  });
});
