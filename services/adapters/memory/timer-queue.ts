/** One partition's timers, kept in the order of their key, as the index of `timers` keeps them. */
import type { TimerKey, TimerRow } from '../../core/ports/timer-store.ts';

/** Adds a timer; one with the same key is replaced. */
export function addTimer(timers: TimerRow[], timer: TimerRow): void {
  const at = positionOf(timers, timer);
  timers.splice(at, isAt(timers, at, timer) ? 1 : 0, timer);
}

/** Removes the timer with this key, if there is one. */
export function removeTimer(timers: TimerRow[], key: TimerKey): void {
  const at = positionOf(timers, key);
  if (isAt(timers, at, key)) timers.splice(at, 1);
}

function isAt(timers: readonly TimerRow[], at: number, key: TimerKey): boolean {
  const found = timers[at];
  return found !== undefined && found.fireAt === key.fireAt && found.runId === key.runId;
}

/** Index of the first timer that is not before `key`. */
function positionOf(timers: readonly TimerRow[], key: TimerKey): number {
  let [low, high] = [0, timers.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(timers[middle] as TimerRow, key)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(a: TimerKey, b: TimerKey): boolean {
  return a.fireAt < b.fireAt || (a.fireAt === b.fireAt && a.runId < b.runId);
}
