import { memoryMb } from '../support/usage.ts';
import type { BelfrySystem } from '../systems/belfry.ts';
import { until, warmUp } from './steps.ts';
import type { Workload } from './workload.ts';

const JOBS = 1_000;
const WAIT_MS = 5_000;
const AHEAD_MS = 5_000;
const TIMEOUT_MS = 60_000;

export const long: Workload<BelfrySystem> = {
  name: 'long',
  title: '1,000 handlers that wait 5 s, all at once in one executor of 1,000 slots.',
  systems: 'belfry',
  env: { BELFRY_CONCURRENCY: String(JOBS) },
  columns: [
    { key: 'p99', title: 'event loop late: p99', unit: 'ms', better: 'less' },
    { key: 'max', title: 'max', unit: 'ms', better: 'less' },
    { key: 'ms', title: 'due to the last end', unit: 'ms', better: 'less' },
    { key: 'memory', title: 'executor', unit: 'MiB' },
  ],
  async run(system) {
    const before = await warmUp(system);
    const at = Date.now() + AHEAD_MS;
    await system.schedule(
      Array.from({ length: JOBS }, (_, n) => ({ jobId: `long-${n}`, at, handler: 'wait', payload: { ms: WAIT_MS } })),
    );
    await until(at);
    await system.ask('watch-loop');
    await system.completed(before + JOBS, TIMEOUT_MS);
    const ms = Date.now() - at;
    const [p99, max] = await system.ask<[number, number]>('loop-lag');
    return [{ case: 'at once', figures: { p99, max, ms, memory: memoryMb(system.running('executor').pid, 'VmRSS') } }];
  },
};
