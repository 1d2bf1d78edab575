/**
 * A rolling upgrade, there and back: the former release's services are replaced by those of this one, executors first, then timers;
 * the executors go back beside timers of this release, and come again. Processes are killed on the way; the schema is migrated while
 * only former ones run.
 *
 * It brings servers of its own: the load is that of the chaos run, its history is held against the same promises.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SEATS, type FaultKind, type PlannedFault } from '../chaos/plan.ts';
import type { Release, Releases } from '../chaos/releases.ts';
import { runChaos } from '../chaos/run.ts';

const DURATION_MS = 48_000;

const seatOf = (name: string): number => SEATS.findIndex((seat) => seat.name === name);
const fault = (at: number, kind: FaultKind, name: string | null): PlannedFault => ({
  ...{ at, kind, seat: name === null ? null : seatOf(name) },
  ...{ forMs: 0, byMs: 0, isReset: false },
});

const STEPS = [
  // Executors first: two of three are new, all timers are old.
  fault(8_000, 'kill-executor', 'executor-1'),
  fault(10_000, 'kill-executor', 'executor-2'),
  fault(17_000, 'kill-timer', 'timer-1'),
  fault(19_000, 'kill-timer', 'timer-2'),
  // Timers first: all are new, and all executors are old.
  fault(24_000, 'kill-api', 'api-1'),
  fault(26_000, 'kill-executor', 'executor-1'),
  fault(27_000, 'kill-executor', 'executor-2'),
  fault(28_000, 'kill-timer', 'timer-3'),
  // Back to an old timer, and on to new executors.
  fault(35_000, 'kill-timer', 'timer-1'),
  fault(37_000, 'roll-executors', null),
];
const RELEASES: Readonly<Record<string, readonly Release[]>> = {
  'timer-1': ['former', 'current', 'former'],
  'timer-2': ['former', 'current'],
  'timer-3': ['former', 'current'],
  'executor-1': ['former', 'current', 'former', 'current'],
  'executor-2': ['former', 'current', 'former', 'current'],
  'executor-3': ['former', 'current'],
  'api-1': ['former', 'current'],
  'api-2': ['former'],
};

describe('a cluster of two releases', { timeout: 300_000 }, () => {
  it('keeps every promise while the one is replaced by the other, in either order', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'belfry-mixed-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const releases: Releases = SEATS.map(({ name }) => RELEASES[name]!);
    const result = await runChaos({
      ...{ seed: 1, durationMs: DURATION_MS, brokers: 1, folder, fakeTime: null, encoding: 'json' },
      ...{ releases, faults: STEPS, log: (line) => t.diagnostic(line) },
    });
    assert.deepEqual(result.violations, []);
    assert.deepEqual(result.unclean, []);
    const ran = new Set(result.incarnations.map(({ node, release }) => `${release} ${node.split('-')[0]}`));
    assert.deepEqual([...ran].sort(), [
      'current api',
      'current executor',
      'current timer',
      'former api',
      'former executor',
      'former timer',
    ]);
    assert.ok(result.history.runs.length > 300, `${result.history.runs.length} runs`);
  });
});
