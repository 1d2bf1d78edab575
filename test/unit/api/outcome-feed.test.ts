/** The stream of outcomes on a broker in memory: whoever comes back misses nothing. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { jsonCodec } from '../../../services/adapters/codec/json-codec.ts';
import { MemoryBroker } from '../../../services/adapters/memory/broker.ts';
import type { MemoryBrokerClient } from '../../../services/adapters/memory/broker-client.ts';
import { OutcomeFeed } from '../../../services/api/outcome-feed.ts';
import { readPosition } from '../../../services/api/position.ts';
import { topicsOf } from '../../../services/core/topics.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { NO_LOG, outcome as outcomeOf } from '../cli/support.ts';

const PARTITIONS = 3;
const KEPT = 5;
const topics = topicsOf('');
const codec = jsonCodec();

type Listening = { heard: string[]; ids: string[]; leave: () => void; until: (count: number) => Promise<void> };

describe('the feed of outcomes', () => {
  let clock: VirtualClock;
  let broker: MemoryBrokerClient;
  let feed: OutcomeFeed;
  let told: number;

  beforeEach(() => {
    clock = new VirtualClock();
    const cluster = new MemoryBroker({ clock, latencyMs: 1 });
    cluster.createTopic(topics.completed, PARTITIONS);
    clock.start();
    broker = cluster.client('api');
    feed = new OutcomeFeed({ broker, codec, topics, log: NO_LOG }, { kept: KEPT, catchingUp: 3 });
    told = 0;
  });
  afterEach(() => clock.stop());

  async function tell(count: number): Promise<void> {
    const producer = await broker.producer();
    for (let index = 0; index < count; index += 1) {
      const value = codec.encodeOutcome(outcomeOf({ jobId: `job-${told}` }));
      const partition = told % PARTITIONS;
      await producer.send([{ topic: topics.completed, partition, key: null, value, headers: {} }]);
      told += 1;
    }
  }

  function listen(from: string | undefined, source = feed): Listening {
    const gone = new AbortController();
    const [heard, ids]: [string[], string[]] = [[], []];
    let check = (): void => undefined;
    const hear = (outcome: { jobId: string }, id: string): void => {
      heard.push(outcome.jobId);
      ids.push(id);
      check();
    };
    const after = from === undefined ? undefined : readPosition(from);
    void source.listen({ tenant: 'default', after }, hear, gone.signal);
    const until = (count: number): Promise<void> =>
      new Promise((resolve) => {
        check = () => void (heard.length >= count && resolve());
        check();
      });
    return { heard, ids, leave: () => gone.abort(), until };
  }

  const jobs = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, index) => `job-${from + index}`);

  it('hears what comes from now on, and nothing after it left', async () => {
    await tell(2);
    await feed.start();
    const one = listen(undefined);
    await clock.sleep(10);
    await tell(3);
    await one.until(3);
    one.leave();
    await tell(1);
    await clock.sleep(50);
    assert.deepEqual(one.heard.toSorted(), jobs(2, 5));
  });

  it('goes on behind any event that it has seen: from memory, by a tail of its own, and in another process', async () => {
    await feed.start();
    const whole = listen(undefined);
    await clock.sleep(10);
    await tell(4 * KEPT);
    await whole.until(4 * KEPT);
    const another = new OutcomeFeed({ broker, codec, topics, log: NO_LOG });
    for (const source of [feed, another]) {
      for (const [index, id] of whole.ids.entries()) {
        const rest = listen(id, source);
        await rest.until(4 * KEPT - index - 1);
        const missed = whole.heard.slice(index + 1).toSorted();
        assert.deepEqual(rest.heard.toSorted(), missed, `behind ${whole.heard[index]}`);
        rest.leave();
      }
    }
  });

  it('what comes while one catches up is heard once', async () => {
    await feed.start();
    const first = listen(undefined);
    await clock.sleep(10);
    await tell(3 * KEPT);
    await first.until(3 * KEPT);
    const late = listen(first.ids[0]);
    await tell(3 * KEPT);
    await late.until(6 * KEPT - 1);
    await clock.sleep(50);
    assert.deepEqual(late.heard.toSorted(), jobs(1, 6 * KEPT).toSorted());
  });

  it('refuses listeners beyond those that may catch up at once, of one tenant before others', async () => {
    await feed.start();
    const first = listen(undefined);
    await clock.sleep(10);
    await tell(3 * KEPT);
    await first.until(3 * KEPT);
    const after = readPosition(first.ids[0]!);
    const ear = (): void => undefined;
    const all = await Promise.allSettled(
      ['a', 'a', 'a', 'b', 'c'].map((tenant) => feed.listen({ tenant, after }, ear, new AbortController().signal)),
    );
    assert.deepEqual(
      all.map((result) => (result.status === 'rejected' ? (result.reason as { code: string }).code : 'heard')),
      ['heard', 'heard', 'overloaded', 'heard', 'overloaded'],
    );
  });

  it('keeps no more bytes than it may, and whoever was away for longer misses nothing', async () => {
    const size = codec.encodeOutcome(outcomeOf({ jobId: 'job-0' })).length;
    let tails = 0;
    const counted = Object.assign(Object.create(broker) as MemoryBrokerClient, {
      tail: (options: Parameters<MemoryBrokerClient['tail']>[0]) => ((tails += 1), broker.tail(options)),
    });
    const limits = { kept: 1_000, keptBytes: 2 * size };
    const small = new OutcomeFeed({ broker: counted, codec, topics, log: NO_LOG }, limits);
    const first = listen(undefined, small);
    await clock.sleep(10);
    await tell(6);
    await first.until(6);
    const recent = listen(first.ids[3], small);
    await recent.until(2);
    assert.deepEqual([recent.heard, tails], [['job-4', 'job-5'], 1], 'two are in memory');
    const late = listen(first.ids[0], small);
    await late.until(5);
    assert.deepEqual([late.heard.toSorted(), tails], [['job-1', 'job-2', 'job-3', 'job-4', 'job-5'], 2]);
    await small.close();
  });
});
