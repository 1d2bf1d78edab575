/** What Belfry exchanges in kafkajs's consumers. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { stickyAssigner } from '../../services/adapters/kafka/assigner-protocol.ts';
import '../../services/adapters/kafka/kafkajs.ts';

const require = createRequire(import.meta.url);
type Group = { memberId: string | null; joinAndSync(): Promise<void> };
const ConsumerGroup = require('kafkajs/src/consumer/consumerGroup') as new (options: object) => Group;

/** A group's coordinator, up to the answer to a join. */
class Coordinator {
  readonly asked: string[] = [];

  joinGroup({ memberId }: { memberId: string }): Promise<never> {
    this.asked.push(memberId);
    const type = this.asked.length === 1 ? 'UNKNOWN_MEMBER_ID' : 'GROUP_AUTHORIZATION_FAILED';
    return Promise.reject(Object.assign(new Error(type), { type }));
  }
}

async function joinsOf(memberId: string | null): Promise<string[]> {
  const coordinator = new Coordinator();
  const cluster = { findGroupCoordinator: () => Promise.resolve(coordinator) };
  const onJoin = () => ({ memberName: 'm', generation: -1, owned: [] });
  const logger = { namespace: () => logger };
  const assigner = stickyAssigner({ copartitioned: true, memberId, onJoin })({ cluster, logger } as never);
  const retry = { initialRetryTime: 1, maxRetryTime: 1, retries: 1, factor: 0, multiplier: 1 };
  const group = new ConsumerGroup({ ...{ retry, cluster, logger }, topics: [], assigners: [assigner] });
  await assert.rejects(group.joinAndSync());
  return coordinator.asked;
}

test('a consumer that is started anew is the member that it was, and a new one if its group has forgotten it', async () => {
  assert.deepEqual(await joinsOf('member-1'), ['member-1', '']);
});

test('a consumer that never joined is a new member', async () => {
  assert.deepEqual(await joinsOf(null), ['', '']);
});
