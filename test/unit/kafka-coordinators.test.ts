import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rememberCoordinators, type Coordinator } from '../../services/adapters/kafka/wire/coordinators.ts';

function makeCluster() {
  const asked: string[] = [];
  const state = { connected: true, failing: false };
  const cluster = {
    nodes: 3,
    findGroupCoordinator: async ({ groupId, coordinatorType = 0 }: { groupId: string; coordinatorType?: number }) => {
      asked.push(`${coordinatorType}/${groupId}`);
      const coordinator: Coordinator = {
        isConnected: () => state.connected,
        endTxn: async () => {
          if (state.failing) throw new Error('NOT_COORDINATOR');
          return 'ended';
        },
      };
      return coordinator;
    },
  };
  return { asked, state, cluster: rememberCoordinators(cluster) };
}

describe('the coordinators of a producer', () => {
  it('are asked for once each, a transaction’s and a group’s of the same name apart', async () => {
    const { asked, cluster } = makeCluster();
    for (let times = 0; times < 3; times += 1) {
      const coordinator = await cluster.findGroupCoordinator({ groupId: 'a', coordinatorType: 1 });
      assert.equal(await coordinator.endTxn!(), 'ended');
      await cluster.findGroupCoordinator({ groupId: 'a' });
    }
    assert.deepEqual(asked, ['1/a', '0/a']);
  });

  it('are asked for again after one refused a request', async () => {
    const { asked, state, cluster } = makeCluster();
    const coordinator = await cluster.findGroupCoordinator({ groupId: 'a' });
    state.failing = true;
    await assert.rejects(coordinator.endTxn!(), /NOT_COORDINATOR/);
    await cluster.findGroupCoordinator({ groupId: 'a' });
    assert.equal(asked.length, 2);
  });

  it('are asked for again when the connection is gone', async () => {
    const { asked, state, cluster } = makeCluster();
    await cluster.findGroupCoordinator({ groupId: 'a' });
    state.connected = false;
    await cluster.findGroupCoordinator({ groupId: 'a' });
    assert.equal(asked.length, 2);
  });

  it('leave the rest of the cluster as it is', () => {
    const { cluster } = makeCluster();
    assert.equal((cluster as typeof cluster & { nodes: number }).nodes, 3);
  });
});
