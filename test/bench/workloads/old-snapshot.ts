import { holdSnapshot } from '../support/database.ts';
import type { System } from '../systems/system.ts';
import { enqueueAhead, until, warmUp } from './steps.ts';
import type { Workload } from './workload.ts';

const TIMEOUT_MS = 120_000;
/** How old the snapshot is when the jobs are due. */
const HELD_MS = 60_000;
const QUICK_HELD_MS = 15_000;

export const oldSnapshot: Workload = {
  name: 'old-snapshot',
  title: 'The same drain while another session has held a snapshot open for 60 s, as a long report or a dump does.',
  systems: 'postgres',
  columns: [
    { key: 'plain', title: 'without', unit: 'jobs/s', better: 'more' },
    { key: 'held', title: 'with an old snapshot', unit: 'jobs/s', better: 'more' },
    { key: 'ratio', title: 'what is left', unit: '', better: 'more' },
  ],
  async run(system, { quick }) {
    const count = quick ? 20_000 : 100_000;
    const before = await warmUp(system);
    const plain = await drained(system, before, count, 0);
    const release = await holdSnapshot(system.databaseUrl ?? '');
    const held = await drained(system, before + count, count, quick ? QUICK_HELD_MS : HELD_MS);
    await release();
    return [{ case: 'at one instant', figures: { plain, held, ratio: held / plain } }];
  },
};

/** @returns jobs a second */
async function drained(system: System, before: number, count: number, notBeforeMs: number): Promise<number> {
  const earliest = Date.now() + notBeforeMs;
  const planned = (count * 1_000) / 2_500;
  const dueAt = await enqueueAhead(system, { count }, { pauseMs: Math.max(3_000, notBeforeMs - planned) });
  await until(Math.max(dueAt, earliest));
  const jobs = (await system.completed(before + count, TIMEOUT_MS)) - before;
  return (jobs * 1_000) / (Date.now() - dueAt);
}
