import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchCells } from '../../../services/adapters/watchdog/cells.ts';
import type { StalledInput } from '../../../services/core/ports/stalls.ts';
import { NO_METRICS } from '../../../services/timer/deps.ts';
import { PoisonGuard } from '../../../services/timer/poison-guard.ts';

const nothing = (): void => undefined;
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => log };

async function setAside(...found: StalledInput[]): Promise<{ names: string[]; counted: number }> {
  let counted = 0;
  const stalls = { record: async () => undefined, ofPartition: async () => found };
  const guard = new PoisonGuard({ stalls, log, metrics: { ...NO_METRICS, setAside: () => void counted++ } });
  const names = [...(await guard.of(3, { commands: 10n, retry: 20n, completed: 30n })).keys()];
  return { names, counted };
}

void test('what two owners were lost at is set aside, one blames nobody', async () => {
  const found = (input: string, owners: number): StalledInput => ({ input, job: 'default/a', owners });
  const all = [found('commands 10', 2), found('commands 11', 1), found('retry 25', 3), found('timer 5/x', 2)];
  assert.deepEqual(await setAside(...all), { names: ['commands 10', 'retry 25', 'timer 5/x'], counted: 3 });
});

void test('what was applied since is not', async () => {
  const found = ['commands 9', 'retry 19', 'completed 29'].map((input) => ({ input, job: '', owners: 2 }));
  assert.deepEqual(await setAside(...found), { names: [], counted: 0 });
});

void test('the thread reads the position that the loop has marked', () => {
  const cells = new WatchCells();
  const thread = new WatchCells(cells.shared);
  assert.equal(thread.position(), undefined);
  cells.atRecord(3, 'retry', 2n ** 40n, Buffer.from('acme/jöb'));
  assert.deepEqual(thread.position(), { partition: 3, input: `retry ${2n ** 40n}`, job: 'acme/jöb' });
  cells.atRecord(4, 'commands', 0n, null);
  assert.deepEqual(thread.position(), { partition: 4, input: 'commands 0', job: '' });
  cells.atInput(null, 'run 1', `acme/${'x'.repeat(2_000)}`);
  assert.deepEqual(thread.position(), { partition: null, input: 'run 1', job: `acme/${'x'.repeat(507)}` });
  cells.leave();
  assert.equal(thread.position(), undefined);
  cells.beat();
  assert.equal(thread.beats, 1n);
});
