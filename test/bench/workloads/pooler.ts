import { temporaryFolder } from '../support/folder.ts';
import { requirePgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { percentile } from '../support/statistics.ts';
import type { BelfrySystem } from '../systems/belfry.ts';
import { runSpread, warmUpSpread } from './steps.ts';
import type { Figures, Workload } from './workload.ts';

const LOAD = { perSecond: 1_000, seconds: 15 };
const POOL_SIZE = 4;

export const pooler: Workload<BelfrySystem> = {
  name: 'pooler',
  title: '1,000/s for 15 s, on PostgreSQL directly, and through a PgBouncer in transaction mode.',
  systems: 'belfry',
  columns: [
    { key: 'p50', title: 'p50', unit: 'ms', better: 'less' },
    { key: 'p99', title: 'p99', unit: 'ms', better: 'less' },
    { key: 'max', title: 'max', unit: 'ms', better: 'less' },
    { key: 'unfinished', title: 'not done in time', unit: 'jobs', better: 'less' },
    { key: 'sessions', title: "Belfry's sessions of PostgreSQL", unit: '' },
  ],
  async run(system) {
    requirePgBouncer();
    const direct = await measure(system, 0);
    const folder = await temporaryFolder();
    const server = await startPgBouncer(folder.path, system.databaseUrl, POOL_SIZE);
    try {
      await system.startAnew({ DATABASE_URL: server.url, DATABASE_DIRECT_URL: system.databaseUrl });
      const pooled = await measure(system, direct.done);
      return [
        { case: 'directly', figures: direct.figures },
        { case: `through PgBouncer, ${POOL_SIZE} connections at the most`, figures: pooled.figures },
      ];
    } finally {
      await server.kill();
      await folder.remove();
    }
  },
};

async function measure(system: BelfrySystem, before: number): Promise<{ done: number; figures: Figures }> {
  const { done, unfinished, late } = await runSpread(system, await warmUpSpread(system, before), LOAD);
  const [sessions] = await system.sql<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'belfry-%'`,
  );
  const figures = {
    ...{ p50: percentile(late, 0.5), p99: percentile(late, 0.99), max: late.at(-1) ?? NaN },
    ...{ unfinished, sessions: sessions?.n ?? NaN },
  };
  return { done, figures };
}
