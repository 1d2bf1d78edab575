/** Everything at once, from a seed: whatever fails, each run has one outcome in the end and nothing is left lying about. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import { PRIORITIES } from '../../../services/core/model.ts';
import type { DueRecord } from '../../../services/core/records.ts';
import type { HandlerContext } from '../../../services/executor/handlers/handler.ts';
import { Cluster, unavailable, type Node } from './harness.ts';

const SEEDS = (process.env.SEEDS ?? '1,2,3,4,11').split(',').map(Number);
const RUNS = 120;

/** mulberry32: small, and good enough to be wild. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('executors under chaos', () => {
  for (const seed of SEEDS) {
    it(`bring every run to one outcome (seed ${seed})`, async () => {
      const random = randomOf(seed);
      const pick = (below: number): number => Math.floor(random() * below);
      const cluster = new Cluster(3);
      const starts = new Map<string, number>();
      let calm = false;
      const work = async (ctx: HandlerContext): Promise<unknown> => {
        starts.set(ctx.runId, (starts.get(ctx.runId) ?? 0) + 1);
        const dice = random();
        await cluster.clock.sleep(dice < 0.1 ? 40_000 : pick(3_000), ctx.signal);
        if (dice > 0.85) throw new Error('bad luck');
        if (dice > 0.75) return ctx.transaction(async () => (await cluster.clock.sleep(pick(500)), 'in a transaction'));
        return 'done';
      };
      const start = (): Node => {
        const node = cluster.start({ work }, { slots: 1 + pick(12) });
        node.storeFault = () => {
          if (!calm && random() < 0.03) throw unavailable();
        };
        return node;
      };
      const brokerFault = (client: string): void => {
        if (!client.startsWith('node') || calm || random() >= 0.02) return;
        throw new BelfryError('broker_unavailable', 'away', { retryable: true });
      };
      cluster.faults.before = brokerFault;
      cluster.faults.after = brokerFault;

      let nodes = [start(), start(), start()];
      const frozen = new Set<Node>();
      const dues: DueRecord[] = [];
      for (let turn = 0; turn < 60; turn++) {
        const batch = Array.from({ length: RUNS / 60 }, () =>
          cluster.due({
            priority: PRIORITIES[pick(3)] ?? 'low',
            ...(random() < 0.2 ? { delivery: 'at_most_once' } : {}),
            timeoutMs: random() < 0.1 ? 1_000 : 60_000,
          }),
        );
        dues.push(...batch);
        await cluster.fire(...batch);
        if (random() < 0.1) cluster.cancel(batch[0] as DueRecord);
        const victim = nodes[pick(nodes.length)] as Node;
        const dice = random();
        if (dice < 0.06) {
          victim.kill();
          nodes = [...nodes.filter((node) => node !== victim), start()];
        } else if (dice < 0.12) {
          void victim.executor.stop({ timeoutMs: pick(5_000) });
          nodes = [...nodes.filter((node) => node !== victim), start()];
        } else if (dice < 0.2 && !frozen.has(victim)) {
          frozen.add(victim);
          victim.freeze();
          cluster.clock.after(pick(15_000), () => {
            frozen.delete(victim);
            victim.thaw();
          });
        } else if (dice < 0.26) {
          const lease = cluster.db.leases.get(victim.executor.stats().executor ?? '');
          if (lease !== undefined) lease.dead = true;
        }
        await cluster.clock.advance(pick(2_000));
      }
      calm = true;
      const unfinished = (): DueRecord[] => dues.filter((due) => cluster.outcomeOf(due) === undefined);
      await cluster.clock
        .until(() => unfinished().length === 0, 'every run has an outcome', 400_000)
        .catch((error: unknown) => {
          const left = unfinished().map((due) => ({
            ...cluster.db.runs.get(due.runId),
            parked: cluster.db.parked.get(due.runId)?.kind,
            due: null,
          }));
          throw new Error(
            `${String(error)}: ${JSON.stringify(left.slice(0, 3))}, ${JSON.stringify(nodes.map((node) => node.executor.stats()))}`,
          );
        });
      await cluster.clock.until(() => cluster.db.parked.size === 0, 'nothing stays parked', 60_000);
      for (const due of dues) {
        const outcomes = cluster.outcomes.filter((outcome) => outcome.runId === due.runId);
        const told = new Set(outcomes.map(({ eventId, status, result }) => JSON.stringify([eventId, status, result])));
        assert.equal(told.size, 1, `${due.jobId}: ${[...told].join(' and ')}`);
        assert.equal(outcomes[0]?.status, cluster.status(due));
        if (due.delivery === 'at_most_once') assert.ok((starts.get(due.runId) ?? 0) <= 1, `${due.jobId} started twice`);
      }
      // A zombie's commit may have moved a group's offset back: whoever reads those records again runs nothing again.
      const startsBefore = new Map(starts);
      const stopped = Promise.all(nodes.map((node) => node.executor.stop({ timeoutMs: 0 })));
      await cluster.clock.advance(10_000);
      await stopped;
      start();
      const uncommitted = (): number => PRIORITIES.reduce((sum, priority) => sum + cluster.uncommitted(priority), 0);
      await cluster.clock.until(() => uncommitted() === 0, 'every offset is committed', 60_000);
      assert.deepEqual(starts, startsBefore);
      for (const node of cluster.nodes) assert.deepEqual(node.fatal, []);
      await cluster.stop();
    });
  }
});
