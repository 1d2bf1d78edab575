import { percentile, sorted } from '../support/statistics.ts';
import { warmUp } from './steps.ts';
import type { Workload } from './workload.ts';

const TOMORROW_MS = 86_400_000;
const PER_SECOND = 1_000;

export const accept: Workload = {
  name: 'accept',
  title: 'Scheduling for tomorrow: in bulk, and one by one at 1,000/s from the call to the durable answer.',
  systems: 'all',
  columns: [
    { key: 'jobsPerS', title: 'in bulk', unit: 'jobs/s', better: 'more' },
    { key: 'p50', title: 'one: p50', unit: 'ms', better: 'less' },
    { key: 'p99', title: 'one: p99', unit: 'ms', better: 'less' },
  ],
  async run(system, { quick }) {
    const bulk = quick ? 20_000 : 50_000;
    const single = PER_SECOND * (quick ? 5 : 15);
    await warmUp(system);
    const begin = Date.now();
    await system.enqueue({ count: bulk, firstAt: begin + TOMORROW_MS });
    const tookMs = Date.now() - begin;
    await system.accept(PER_SECOND, PER_SECOND); // connections are open and code is warm
    const took = sorted(await system.accept(single, PER_SECOND));
    const figures = {
      jobsPerS: (bulk * 1_000) / tookMs,
      p50: percentile(took, 0.5),
      p99: percentile(took, 0.99),
    };
    return [{ case: 'for tomorrow', figures }];
  },
};
