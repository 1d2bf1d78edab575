import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, memoryMb, spent } from '../support/usage.ts';
import { warmUp } from './steps.ts';
import type { Workload } from './workload.ts';

const TOMORROW_MS = 86_400_000;
const SETTLE_MS = 10_000;
const SERVERS: readonly string[] = ['kafka', 'redis', 'postgres'];

export const idle: Workload = {
  name: 'idle',
  title: '100,000 jobs that sleep until tomorrow: what the system uses meanwhile, as a share of one core.',
  systems: 'all',
  columns: [
    { key: 'own', title: 'its own processes', unit: '% of a core', better: 'less' },
    { key: 'servers', title: 'its servers', unit: '% of a core', better: 'less' },
    { key: 'memory', title: 'its own processes', unit: 'MiB', better: 'less' },
  ],
  async run(system, { quick }) {
    const seconds = quick ? 15 : 60;
    await warmUp(system);
    await system.enqueue({ count: quick ? 20_000 : 100_000, firstAt: Date.now() + TOMORROW_MS });
    await sleep(SETTLE_MS);
    const before = cpuSeconds(system.processes());
    await sleep(seconds * 1_000);
    const used = [...spent(before, cpuSeconds(system.processes()))];
    const share = (ours: boolean): number =>
      (used.reduce((sum, [name, cpu]) => sum + (SERVERS.includes(name) === ours ? 0 : cpu), 0) / seconds) * 100;
    const memory = system
      .processes()
      .filter(({ name }) => !SERVERS.includes(name))
      .reduce((sum, { pid }) => sum + memoryMb(pid, 'VmRSS'), 0);
    return [{ case: 'asleep', figures: { own: share(true), servers: share(false), memory } }];
  },
};
