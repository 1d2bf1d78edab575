import { percentile } from '../support/statistics.ts';
import { runSpread, warmUpSpread } from './steps.ts';
import type { Workload } from './workload.ts';

const RATES_PER_S = [100, 1_000, 3_000, 5_000];

export const lateness: Workload = {
  name: 'lateness',
  title: 'Jobs spread evenly over 30 s: start minus due.',
  systems: 'all',
  columns: [
    { key: 'p50', title: 'p50', unit: 'ms', better: 'less' },
    { key: 'p90', title: 'p90', unit: 'ms', better: 'less' },
    { key: 'p99', title: 'p99', unit: 'ms', better: 'less' },
    { key: 'max', title: 'max', unit: 'ms', better: 'less' },
    { key: 'early', title: 'early', unit: 'jobs', better: 'less' },
    { key: 'unfinished', title: 'not done in time', unit: 'jobs', better: 'less' },
  ],
  async run(system, { quick, say }) {
    const seconds = quick ? 10 : 30;
    const rows = [];
    let done = await warmUpSpread(system);
    for (const perSecond of RATES_PER_S) {
      const { late, unfinished, ...ran } = await runSpread(system, done, { perSecond, seconds });
      const figures = {
        p50: percentile(late, 0.5),
        p90: percentile(late, 0.9),
        p99: percentile(late, 0.99),
        max: late.at(-1) ?? NaN,
        early: late.filter((ms) => ms < 0).length,
        unfinished,
      };
      rows.push({ case: `${perSecond.toLocaleString('en')}/s`, figures });
      say(`${perSecond}/s ${JSON.stringify(figures)}`);
      done = ran.done;
      if (unfinished > 0) break; // it fell behind: a higher rate would tell nothing
    }
    return rows;
  },
};
