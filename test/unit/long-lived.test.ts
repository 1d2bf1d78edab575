/** What a process opens, closes and opens again for months leaves nothing behind. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SystemClock } from '../../services/adapters/clock.ts';
import { KafkaBroker } from '../../services/adapters/kafka/broker.ts';
import { enqueuedListener } from '../../services/adapters/postgres/enqueued-listener.ts';
import { unlessAborted } from '../../services/core/within.ts';
import { override } from '../simulation/override.ts';
import { NO_LOG } from './cli/support.ts';

test('a broker client keeps nothing of consumers that were stopped', async () => {
  const broker = new KafkaBroker({ config: { brokers: ['127.0.0.1:1'], clientId: 'test' }, log: NO_LOG });
  const options = { topics: ['t'], memberName: 'm', copartitioned: false, isolation: 'read_committed' } as const;
  const listener = {
    onAssignment: () => {},
    position: () => 'committed' as const,
    onBatch: () => {},
    onFatal: assert.fail,
  };
  for (let index = 0; index < 20; index++) {
    await broker.group({ ...options, groupId: `g-${index}`, sessionTimeoutMs: 6_000 }, listener).stop();
  }
  const kept = broker.group({ ...options, groupId: 'kept', sessionTimeoutMs: 6_000 }, listener);
  assert.equal(broker.open, 1);
  await broker.close();
  assert.equal(broker.open, 0);
  await kept.stop();
});

test('a listener for enqueued commands that connects again and again listens to its end once', async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  let listening = 0;
  const add = t.mock.method(AbortSignal.prototype, 'addEventListener', function (this: AbortSignal, ...args: never) {
    listening++;
    EventTarget.prototype.addEventListener.apply(this, args);
  });
  const remove = t.mock.method(
    AbortSignal.prototype,
    'removeEventListener',
    function (this: AbortSignal, ...args: never) {
      listening--;
      EventTarget.prototype.removeEventListener.apply(this, args);
    },
  );
  // Connects again at once.
  const clock = override<SystemClock>(new SystemClock(), {
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
  });
  const enough = Promise.withResolvers<void>();
  server.on('connection', () => connections >= 20 && enough.resolve());
  const url = `postgres://nobody@127.0.0.1:${port}/none`;
  const running = enqueuedListener({ databaseUrl: url, schema: 'belfry', clock, log: NO_LOG })(() => {});
  await enough.promise;
  assert.ok(listening <= 1, `${listening} listeners after ${connections} connections`);
  await running.close();
  assert.equal(listening, 0);
  assert.equal(add.mock.callCount(), remove.mock.callCount());
  server.close();
});

test('what waits for a promise or a signal leaves nothing at the signal', async () => {
  const ending = new AbortController();
  const { signal } = ending;
  const never = new Promise<never>(() => {});
  assert.equal(await unlessAborted(Promise.resolve('done'), signal), 'done');
  await assert.rejects(unlessAborted(Promise.reject(new Error('broken')), signal), /broken/);
  const waiting = unlessAborted(never, signal);
  ending.abort(new Error('over'));
  await assert.rejects(waiting, /over/);
  await assert.rejects(unlessAborted(never, signal), /over/, 'it was over before');
});
