import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { embedded } from '../../../services/executor/embedded.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

function guests(t: TestContext) {
  const kill = t.mock.method(process, 'kill', () => true);
  const exit = t.mock.method(process, 'exit', () => undefined as never);
  const stops = { count: 0 };
  const guest = { port: 1, stop: async (): Promise<void> => void stops.count++ };
  return { stops, guest, ended: (): number => kill.mock.callCount() + exit.mock.callCount() };
}

void it('an embedded executor that cannot go on stops and says so once; its host lives', async (t) => {
  const { stops, guest, ended } = guests(t);
  let fail: (error: Error) => void = () => assert.fail();
  const fatal: Error[] = [];
  const running = await embedded(
    silent,
    (error) => fatal.push(error),
    async (failed) => ((fail = failed), guest),
  );
  const error = new Error('the client cannot recover');
  fail(error);
  fail(new Error('and again'));
  await running.stop();
  assert.deepEqual([fatal, stops.count, ended(), process.exitCode], [[error], 1, 0, undefined]);
});

void it('an embedded executor that fails as it starts is stopped as soon as it is there', async (t) => {
  const { stops, guest, ended } = guests(t);
  const running = await embedded(silent, undefined, async (fail) => (fail(new Error('wrong permission')), guest));
  await running.stop();
  assert.deepEqual([stops.count, ended()], [1, 0]);
});
