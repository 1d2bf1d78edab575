/** What an executor holds, whatever its slots are and whatever its records weigh. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { PRIORITIES, type Priority } from '../../../services/core/model.ts';
import type { DueRecord } from '../../../services/core/records.ts';
import { Cluster, forever } from './harness.ts';

const MIB = 1024 * 1024;
const PADDING = 'x'.repeat(200 * 1024);
const PIECES = 8;
const PER_PIECE = 25;

void describe('an executor with 1,000 slots whose records are large', () => {
  let cluster: Cluster;
  beforeEach(() => {
    cluster = new Cluster(4);
  });
  afterEach(() => cluster.stop());

  /** 40 MiB for each, in pieces, as a fetch would bring them. */
  async function flood(...priorities: readonly Priority[]): Promise<DueRecord[]> {
    const dues: DueRecord[] = [];
    for (let n = 0; n < PIECES; n++) {
      for (const priority of priorities) {
        const some = Array.from({ length: PER_PIECE }, () => cluster.due({ payload: PADDING, priority }));
        dues.push(...some);
        await cluster.fire(...some);
      }
      await cluster.clock.advance(100);
    }
    return dues;
  }

  void it('holds 64 MiB that wait, and a fetch, over all priorities; the rest waits in Kafka', async () => {
    const node = cluster.start({ work: { concurrency: 1, run: forever } }, { slots: 1_000 });
    await cluster.live(node);
    await flood(...PRIORITIES);
    await cluster.clock.advance(1_000);
    const held = node.executor.stats().waitingBytes / MIB;
    assert.ok(held > 50 && held < 80, `${held} MiB`);
  });

  void it('reads on as what it holds is done, until all is', async () => {
    const node = cluster.start({ work: () => undefined }, { slots: 1_000 });
    await cluster.live(node);
    const dues = await flood('medium');
    await cluster.clock.until(() => dues.every((due) => cluster.status(due) === 'COMPLETED'), 'all have run');
    await cluster.clock.until(() => cluster.uncommitted() === 0, 'all is committed');
    assert.equal(node.executor.stats().waitingBytes, 0);
  });
});
