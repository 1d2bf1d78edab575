/** A stage that has a pace: it begins at once after a pause, gathers under a steady load, and does not wait when it is full. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../services/core/pace.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** When turns begin, in ms from the start, of a stage that is asked at these times and works for no time. */
async function turns(everyMs: number, askedAt: readonly number[], isFull = false): Promise<number[]> {
  const clock = new VirtualClock();
  const from = clock.now();
  const pace = new Pace(clock, everyMs);
  const begun: number[] = [];
  let last: Promise<void> = Promise.resolve();
  for (const at of askedAt) {
    await clock.advance(from + at - clock.now());
    last = last.then(async () => {
      await pace.wait(isFull);
      pace.begin();
      begun.push(clock.now() - from);
    });
  }
  await clock.advance(1_000);
  await last;
  return begun;
}

test('what comes after a pause goes at once', async () => {
  assert.deepEqual(await turns(10, [0, 50, 100]), [0, 50, 100]);
});

test('under a steady load a turn begins once in its time', async () => {
  assert.deepEqual(await turns(10, [0, 1, 2]), [0, 10, 20]);
});

test('a full stage does not wait', async () => {
  assert.deepEqual(await turns(10, [0, 1, 2], true), [0, 1, 2]);
});

test('a clock that is set back holds nothing up for longer than a turn', async () => {
  const clock = new VirtualClock();
  let setBackMs = 0;
  const shifted = {
    now: () => clock.now() - setBackMs,
    sleep: clock.sleep.bind(clock),
    after: clock.after.bind(clock),
  };
  const pace = new Pace(shifted, 10);
  pace.begin();
  setBackMs = 60_000;
  const begunAt = clock.now();
  const waited = pace.wait(false);
  await clock.advance(10);
  await waited;
  assert.ok(clock.now() - begunAt <= 10);
});
