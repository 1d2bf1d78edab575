/** A flood is due at once: what is urgent, or another tenant's, does not wait for its end. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { partitionOf } from '../../../services/core/murmur2.ts';
import type { TimerRow, TimerStore } from '../../../services/core/ports/timer-store.ts';
import { jobKey } from '../../../services/core/topics.ts';
import { DEFAULT_LIMITS } from '../../../services/timer/deps.ts';
import { Others } from '../../../services/timer/others.ts';
import { OwnedPartition } from '../../../services/timer/owned.ts';
import { Wake } from '../../../services/timer/wake.ts';
import { timerIn } from '../../conformance/timer-fixtures.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { Cluster, P, silent } from './harness.ts';

const FLOOD = 800;
/** Steps of this size take half a second for the flood, of which a part is in memory. */
const LIMITS = { perStep: 2, lookAhead: 10 };
const iso = (ms: number): string => new Date(ms).toISOString();

/** Of one partition. */
function jobIds(tenant: string, count: number): string[] {
  const ids = Array.from({ length: 2 * P * count + 100 }, (_, n) => `job-${n}`);
  return ids.filter((id) => partitionOf(jobKey(tenant, id), P) === 0).slice(0, count);
}

/** @returns how many of the flood fired before the job that is due last */
async function firedBefore(job: Record<string, unknown>, tenant = 'acme'): Promise<number> {
  const cluster = await Cluster.up(LIMITS);
  const at = cluster.clock.now() + 20_000;
  const flood = jobIds('acme', FLOOD);
  for (const jobId of flood) await cluster.schedule({ schedule: { at: iso(at) } }, { jobId });
  const jobId = jobIds(tenant, FLOOD + 1).at(-1)!;
  await cluster.put({ schedule: { at: iso(at + 50) }, ...job }, { jobId, tenant });
  await cluster.dueCount(FLOOD + 1);
  assert.equal(new Set(cluster.dues.map(({ runId }) => runId)).size, cluster.dues.length, 'each once');
  return cluster.dues.findIndex((due) => due.jobId === jobId && due.tenant === tenant);
}

describe('behind a flood', () => {
  test('a job of high priority fires before most of it', async () => {
    const before = await firedBefore({ priority: 'high' });
    assert.ok(before < FLOOD / 2, `${before} before it`);
  });

  test('a job of another tenant fires before most of it', async () => {
    const before = await firedBefore({}, 'globex');
    assert.ok(before < FLOOD / 2, `${before} before it`);
  });

  test('a job like the others comes last', async () => {
    assert.equal(await firedBefore({}), FLOOD);
  });
});

describe('what was read beside the steps', () => {
  const STEP = { ...DEFAULT_LIMITS, perStep: 5 };
  const urgent = [101, 102].map((n) => timerIn(1, { fireAt: n, topic: 'job.due.high' }));

  /** A partition with a flood of which a step takes a part, and a store that answers when it is told to. */
  function flooded(): { others: Others; owned: OwnedPartition; answer: () => Promise<void>; asked: () => number } {
    const clock = new VirtualClock();
    const reading = Promise.withResolvers<TimerRow[]>();
    let asked = 0;
    const store = {
      urgentTimers: () => (asked++, reading.promise),
      timers: async () => [],
    } as Partial<TimerStore> as TimerStore;
    const offsets = { commands: 0n, retry: 0n, completed: 0n };
    const owned = new OwnedPartition(
      { ownership: { partition: 1, epoch: 1, offsets, outboxSeq: 1 }, waiting: [] },
      offsets,
      10,
    );
    const rows = Array.from({ length: 10 }, (_, n) => timerIn(1, { fireAt: n }));
    owned.lookAhead.refill(rows, 10);
    const others = new Others({ store, clock, log: silent, wake: new Wake(clock), isShared: () => false });
    const answer = async (): Promise<void> => {
      reading.resolve([...urgent]);
      await clock.advance(1);
    };
    return { others, owned, answer, asked: () => asked };
  }

  test('is answered once, to the turn after it came', async () => {
    const { others, owned, answer, asked } = flooded();
    assert.equal(others.take([owned], STEP).size, 0);
    assert.equal(others.take([owned], STEP).size, 0);
    assert.equal(asked(), 1, 'one reading at a time');
    await answer();
    assert.deepEqual(others.take([owned], STEP).get(owned), urgent);
    assert.equal(others.take([owned], STEP).size, 0);
  });

  test('goes with as many steps as it takes', async () => {
    const { others, owned, answer } = flooded();
    others.take([owned], STEP);
    await answer();
    const one = { ...STEP, perStep: 1 };
    for (const row of urgent) assert.deepEqual(others.take([owned], one).get(owned), [row]);
    assert.equal(others.take([owned], one).size, 0);
  });

  test('is not answered if a step removed it meanwhile', async () => {
    const { others, owned, answer } = flooded();
    others.take([owned], STEP);
    others.removed(owned, urgent.slice(0, 1));
    await answer();
    assert.deepEqual(others.take([owned], STEP).get(owned), urgent.slice(1));
  });

  test('is not answered if a step removed it before the partition decided again', async () => {
    const { others, owned, answer } = flooded();
    others.take([owned], STEP);
    await answer();
    others.removed(owned, urgent.slice(1));
    assert.equal(others.take([], STEP).size, 0);
    assert.deepEqual(others.take([owned], STEP).get(owned), urgent.slice(0, 1));
  });

  test('is forgotten with a partition that was lost', async () => {
    const { others, owned, answer } = flooded();
    others.take([owned], STEP);
    owned.live = false;
    await answer();
    const anew = flooded().owned;
    assert.equal(others.take([anew], STEP).size, 0);
  });
});
