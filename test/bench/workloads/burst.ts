import { percentile, sorted } from '../support/statistics.ts';
import { memoryMb } from '../support/usage.ts';
import type { BelfrySystem } from '../systems/belfry.ts';
import { enqueueAhead, until, warmUp } from './steps.ts';
import type { Workload } from './workload.ts';

const SCHEDULES_PER_S = 5_000;
const TIMEOUT_MS = 600_000;
const URGENT_EACH_MS = 200;

export const burst: Workload<BelfrySystem> = {
  name: 'burst',
  title:
    '1,000,000 one-shots due at one instant on one executor; meanwhile a high-priority job every 200 ms, due at once.',
  systems: 'belfry',
  columns: [
    { key: 'jobsPerS', title: 'drained', unit: 'jobs/s', better: 'more' },
    { key: 'urgentP50', title: 'urgent, scheduled to started: p50', unit: 'ms', better: 'less' },
    { key: 'urgentMax', title: 'max', unit: 'ms', better: 'less' },
    { key: 'timer', title: 'timer, peak', unit: 'MiB', better: 'less' },
    { key: 'executor', title: 'executor, peak', unit: 'MiB', better: 'less' },
    { key: 'kafka', title: 'Kafka, peak', unit: 'MiB' },
  ],
  async run(system, { quick }) {
    const count = quick ? 100_000 : 1_000_000;
    const before = await warmUp(system);
    await system.schedule([{ jobId: 'urgent-first', at: Date.now(), handler: 'urgent', priority: 'high' }]);
    await system.ask('until', 'urgent', 1, TIMEOUT_MS);
    await system.lateness('urgent');
    const dueAt = await enqueueAhead(system, { count }, { schedulesPerS: SCHEDULES_PER_S });
    await until(dueAt);
    const urgent = sendUrgent(system);
    const jobs = (await system.completed(before + count, TIMEOUT_MS)) - before;
    const ms = Date.now() - dueAt;
    await urgent.stop();
    const late = sorted(await system.lateness('urgent'));
    const peaks = system.processes().map(({ name, pid }) => [name, memoryMb(pid, 'VmHWM')] as const);
    const figures = {
      jobsPerS: (jobs * 1_000) / ms,
      urgentP50: percentile(late, 0.5),
      urgentMax: late.at(-1) ?? NaN,
      ...Object.fromEntries(peaks.filter(([name]) => name !== 'postgres')),
    };
    return [{ case: `${count.toLocaleString('en')} at once`, figures }];
  },
};

/** One after the other, so that a slow answer does not pile them up. */
function sendUrgent(system: BelfrySystem): { stop(): Promise<void> } {
  let going = true;
  const sent = (async () => {
    for (let n = 0; going; n++) {
      const at = Date.now();
      await system.schedule([{ jobId: `urgent-${n}`, at, handler: 'urgent', priority: 'high' }]);
      await until(at + URGENT_EACH_MS);
    }
  })();
  return {
    stop: async () => {
      going = false;
      await sent;
    },
  };
}
