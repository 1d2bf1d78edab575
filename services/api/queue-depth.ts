/** How many runs wait for executors, by what their groups have not read. Runs that are under way count as long as they hold their place. */
import { PRIORITIES } from '../core/model.ts';
import type { Broker } from '../core/ports/broker.ts';
import { executorGroup, type Topics } from '../core/topics.ts';
import type { QueueDepth } from './deps.ts';

/** @throws BelfryError `broker_unavailable` */
export async function readQueueDepth(
  broker: Broker,
  topics: Topics,
  prefix: string,
  queues: readonly string[],
): Promise<QueueDepth[]> {
  const all = queues.flatMap((queue) => PRIORITIES.map((priority) => ({ queue, priority })));
  return Promise.all(
    all.map(async ({ queue, priority }) => {
      const topic = topics.due(queue, priority);
      const groupId = executorGroup(prefix, queue, priority);
      const ranges = await broker.logRange(topic);
      const behind = await Promise.all(
        [...ranges].map(async ([partition, { first, end }]) => {
          const committed = await broker.committed(groupId, { topic, partition });
          return Number(end - (committed === undefined || committed < first ? first : committed));
        }),
      );
      return { queue, priority, waiting: behind.reduce((sum, each) => sum + Math.max(0, each), 0) };
    }),
  );
}
