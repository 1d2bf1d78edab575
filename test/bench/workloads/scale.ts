import { databaseBytes } from '../support/database.ts';
import { percentile } from '../support/statistics.ts';
import { memoryMb } from '../support/usage.ts';
import type { BelfrySystem } from '../systems/belfry.ts';
import { runSpread, warmUpSpread } from './steps.ts';
import type { Row, Workload } from './workload.ts';

const TOMORROW_MS = 86_400_000;
const PER_SECOND = 1_000;
const SECONDS = 15;
/** V8 rather collects garbage than to grow, at the price of some processor time. */
const SMALL = '--max-semi-space-size=8 --max-old-space-size=256';

export const scale: Workload<BelfrySystem> = {
  name: 'scale',
  title: `Jobs asleep until tomorrow, and what they cost those that run: 1,000/s on top for 15 s, on the timer that accepted them, and on one that has just taken its place. Timers have NODE_OPTIONS="${SMALL}".`,
  env: { TIMER_NODE_OPTIONS: SMALL },
  systems: 'belfry',
  columns: [
    { key: 'bytes', title: 'database', unit: 'bytes/job', better: 'less' },
    { key: 'p50', title: 'lateness: p50', unit: 'ms', better: 'less' },
    { key: 'p99', title: 'p99', unit: 'ms', better: 'less' },
    { key: 'takeOver', title: 'hand-over of all partitions', unit: 'ms', better: 'less' },
    { key: 'freshP99', title: 'afterwards: p99', unit: 'ms', better: 'less' },
    { key: 'memory', title: 'timer', unit: 'MiB', better: 'less' },
  ],
  async run(system, { quick, say }) {
    let done = await warmUpSpread(system);
    let asleep = 0;
    const lateness = async (): Promise<number[]> => {
      const ran = await runSpread(system, done, { perSecond: PER_SECOND, seconds: SECONDS });
      done = ran.done + ran.unfinished;
      return ran.late;
    };
    const rows: Row[] = [];
    for (const target of quick ? [10_000, 50_000] : [10_000, 100_000, 1_000_000]) {
      const added = target - asleep;
      const before = await databaseBytes(system.databaseUrl);
      await system.enqueue({ count: added, firstAt: Date.now() + TOMORROW_MS, perSecond: PER_SECOND });
      asleep = target;
      const bytes = ((await databaseBytes(system.databaseUrl)) - before) / added;
      const late = await lateness();
      const takeOver = await system.replaceTimer();
      const freshP99 = percentile(await lateness(), 0.99);
      const memory = memoryMb(system.running('timer').pid, 'VmRSS');
      const figures = {
        ...{ bytes, p50: percentile(late, 0.5), p99: percentile(late, 0.99) },
        ...{ takeOver, freshP99, memory },
      };
      rows.push({ case: `${target.toLocaleString('en')} asleep`, figures });
      say(`${target} ${JSON.stringify(figures)}`);
    }
    return rows;
  },
};
