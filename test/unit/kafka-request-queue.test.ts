/** A connection to Kafka without requests costs nothing; those that must wait for their turn, or for a throttling, are sent. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { restWhileNothingWaits } from '../../services/adapters/kafka/wire/request-queue.ts';

type Queue = {
  throttleCheckTimeoutId: unknown;
  maybeThrottle(ms: number): void;
  push(request: object): void;
  fulfillRequest(answer: object): void;
  destroy(): void;
};

const Original = originalQueue();
const Queue = restWhileNothingWaits(Original as never) as unknown as typeof Original;
const nothing = (): void => undefined;
const options = {
  maxInFlightRequests: 1,
  requestTimeout: 5_000,
  clientId: 'test',
  broker: 'test',
  logger: { debug: nothing },
};

/** As kafkajs has it, also where adapters/kafka/kafkajs.ts has exchanged it in this process before. */
function originalQueue(): new (options: object) => Queue {
  const require = createRequire(import.meta.url);
  const path = require.resolve('kafkajs/src/network/requestQueue');
  const exchanged = require.cache[path];
  delete require.cache[path];
  const original = require(path) as new (options: object) => Queue;
  if (exchanged !== undefined) require.cache[path] = exchanged;
  return original;
}

type Driven = {
  queue: Queue;
  /** Of the requests that went out. */
  sent: number[];
  send: (id: number) => Promise<void>;
  answer: (id: number) => void;
};

function queueOf(Class: typeof Original): Driven {
  const queue = new Class(options);
  const sent: number[] = [];
  const send = (correlationId: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const entry = { correlationId, apiKey: 0, apiName: 'Test', apiVersion: 0, resolve, reject };
      queue.push({ entry, expectResponse: true, sendRequest: () => sent.push(correlationId) });
    });
  const answer = (correlationId: number): void => queue.fulfillRequest({ correlationId, payload: {}, size: 0 });
  return { queue, sent, send, answer };
}

describe('the queue of requests of a connection', () => {
  it('rests after an answer, where the original goes on looking', async () => {
    for (const [Class, rests] of [
      [Queue, true],
      [Original, false],
    ] as const) {
      const { queue, send, answer } = queueOf(Class);
      const done = send(1);
      answer(1);
      await done;
      assert.equal(queue.throttleCheckTimeoutId === null, rests);
      queue.destroy();
    }
  });

  it('sends what had to wait for the answer before it', async () => {
    const { queue, sent, send, answer } = queueOf(Queue);
    const all = [send(1), send(2)];
    assert.deepEqual(sent, [1]);
    answer(1);
    assert.deepEqual(sent, [1, 2]);
    answer(2);
    await Promise.all(all);
    queue.destroy();
  });

  it('sends what had to wait for the end of a throttling, though no answer comes', async () => {
    const { queue, sent, send, answer } = queueOf(Queue);
    queue.maybeThrottle(5);
    const done = send(1);
    assert.deepEqual(sent, []);
    await new Promise<void>((resolve) => {
      const look = (): void => void (sent.length > 0 ? resolve() : setImmediate(look));
      look();
    });
    answer(1);
    await done;
    queue.destroy();
  });
});
