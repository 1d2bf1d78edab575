/** What an executor does again and again: on one beat, and with a pause left between turns. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repeat } from '../../../services/executor/repeat.ts';
import { SILENT } from '../../../services/testing/silent.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** When turns began that took so long each, in ms from the start; the last length is that of all later ones. */
async function beats(everyMs: number, lengthsMs: readonly number[], forMs: number): Promise<number[]> {
  const clock = new VirtualClock();
  const from = clock.now();
  const begun: number[] = [];
  const loop = repeat({ clock, log: SILENT }, 'looking', everyMs, async () => {
    begun.push(clock.now() - from);
    await clock.sleep(lengthsMs[Math.min(begun.length, lengthsMs.length) - 1] ?? 0);
  });
  await clock.advance(forMs);
  const stopped = loop.stop();
  await clock.advance(everyMs);
  await stopped;
  return begun;
}

test('turns come at the same distance, however long they take: those of several loops wake a process once', async () => {
  assert.deepEqual(await beats(200, [3, 40, 1], 700), [0, 200, 400, 600]);
});

test('a long turn leaves a pause behind it', async () => {
  assert.deepEqual(await beats(200, [150, 450, 0], 1_100), [0, 400, 1_000]);
});

test('a turn that is called for comes at once, and the beat goes on', async () => {
  const clock = new VirtualClock();
  const from = clock.now();
  const begun: number[] = [];
  const loop = repeat({ clock, log: SILENT }, 'looking', 200, async () => {
    begun.push(clock.now() - from);
  });
  await clock.advance(250);
  loop.wake();
  await clock.advance(400);
  await loop.stop();
  assert.deepEqual(begun, [0, 200, 250, 400, 600]);
});
