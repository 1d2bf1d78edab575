import { enqueueAhead, until, warmUp } from './steps.ts';
import type { Row, Workload } from './workload.ts';

const TIMEOUT_MS = 60_000;
const QUICK_TIMEOUT_MS = 30_000;

export const drain: Workload = {
  name: 'drain',
  title:
    '100,000 jobs that do nothing, due at one instant, scheduled before: until the last is durably complete. Twice, one after the other: the first still warms compilers (Java has a second one, which takes its time).',
  systems: 'all',
  columns: [
    { key: 'jobsPerS', title: 'drained', unit: 'jobs/s', better: 'more' },
    { key: 'ms', title: 'took', unit: 'ms' },
    { key: 'jobs', title: 'jobs', unit: '' },
    { key: 'early', title: 'started early', unit: 'jobs', better: 'less' },
  ],
  async run(system, { quick }) {
    const count = quick ? 20_000 : 100_000;
    const rows: Row[] = [];
    let done = await warmUp(system);
    for (const name of ['first', 'second']) {
      const begin = await enqueueAhead(system, { count });
      await until(begin);
      const jobs = (await system.completed(done + count, quick ? QUICK_TIMEOUT_MS : TIMEOUT_MS)) - done;
      const ms = Date.now() - begin;
      const early = (await system.lateness()).filter((late) => late < 0).length;
      rows.push({ case: name, figures: { jobsPerS: (jobs * 1_000) / ms, ms, jobs, early } });
      if (jobs < count) break; // the second would have to wait for the first
      done += count;
    }
    return rows;
  },
};
