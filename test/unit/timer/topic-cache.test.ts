/** What a timer knows of topics without asking Kafka in every step. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BelfryError } from '../../../services/core/errors.ts';
import type { Broker } from '../../../services/core/ports/broker.ts';
import { TopicCache } from '../../../services/timer/topic-cache.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG } from '../cli/support.ts';

type Answer = (topic: string) => Promise<number | undefined>;

function cacheOf(answer: Answer): { cache: TopicCache; clock: VirtualClock; asked: string[] } {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const partitions: Answer = (topic) => {
    asked.push(topic);
    return answer(topic);
  };
  return { cache: new TopicCache({ broker: { partitions } as unknown as Broker, clock, log: NO_LOG }), clock, asked };
}

describe('partition counts', () => {
  it('of a topic that does not exist are asked for once in a while, not in every step, and it is found when it is made', async () => {
    const made: { partitions?: number } = {};
    const { cache, clock, asked } = cacheOf(() => Promise.resolve(made.partitions));
    for (let step = 0; step < 100; step++) assert.deepEqual([...(await cache.missing(['gone']))], ['gone']);
    assert.equal(asked.length, 1);
    made.partitions = 6;
    await clock.advance(3_000);
    assert.deepEqual([...(await cache.missing(['gone']))], []);
    assert.equal(cache.partitions('gone'), 6);
  });

  it('that Kafka does not tell are left open, and hold up neither this step nor the next', async () => {
    const { cache, clock, asked } = cacheOf(() => new Promise(() => {}));
    const first = cache.missing(['a', 'b']);
    await clock.advance(1_000);
    assert.deepEqual([...(await first)], []);
    assert.deepEqual([...(await cache.missing(['a', 'b']))], [], 'at once');
    assert.deepEqual(asked, ['a', 'b']);
  });

  it('that Kafka refuses to tell are asked for again', async () => {
    let isAway = true;
    const { cache, clock } = cacheOf(async () => {
      if (isAway) throw new BelfryError('broker_unavailable', 'away', { retryable: true });
      return 3;
    });
    assert.deepEqual([...(await cache.missing(['a']))], []);
    isAway = false;
    await clock.advance(3_000);
    await cache.missing(['a']);
    assert.equal(cache.partitions('a'), 3);
  });

  it('of however many names that users think of are asked for some at a time', async () => {
    let [now, most] = [0, 0];
    const { cache, asked } = cacheOf(async () => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      return undefined;
    });
    const names = Array.from({ length: 500 }, (_, index) => `queue-${index}`);
    assert.equal((await cache.missing(names)).size, 500);
    assert.equal(asked.length, 500);
    assert.ok(most <= 16, `${most} at once`);
  });
});
