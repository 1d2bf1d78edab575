import { written, type Written } from '../support/database.ts';
import { cpuSeconds, spent } from '../support/usage.ts';
import type { System } from '../systems/system.ts';
import { enqueueAhead, until, warmUpSpread } from './steps.ts';
import type { Figures, Row, Workload } from './workload.ts';

const PER_SECOND = 1_000;
const TIMEOUT_MS = 120_000;
/** What was written is told late (support/database.ts), and must be known before the first is due. */
const TIME_TO_READ_MS = 15_000;
const LOADS = [
  ['spread at 1,000/s', PER_SECOND],
  ['at one instant', undefined],
] as const;

type Reading = { cpu: Map<string, number>; written: Written | undefined };

export const cost: Workload = {
  name: 'cost',
  title: 'CPU seconds a 1,000 jobs by process, and rows, WAL bytes and transactions a job: from schedule to the end.',
  systems: 'all',
  columns: [
    { key: 'cpu', title: 'CPU, all', unit: 's/1,000', better: 'less' },
    ...['timer', 'executor', 'worker', 'kafka', 'redis', 'postgres'].map((name) => ({
      key: name,
      title: name,
      unit: 's/1,000',
    })),
    { key: 'rows', title: 'rows written', unit: '/job', better: 'less' as const },
    { key: 'walBytes', title: 'WAL', unit: 'bytes/job', better: 'less' as const },
    { key: 'transactions', title: 'transactions', unit: '/1,000' },
  ],
  async run(system, { quick }) {
    const seconds = quick ? 10 : 30;
    const count = PER_SECOND * seconds;
    let done = await warmUpSpread(system);
    const rows: Row[] = [];
    for (const [label, perSecond] of LOADS) {
      const start = await read(system);
      const firstAt = await enqueueAhead(
        system,
        { count, ...(perSecond && { perSecond }) },
        { pauseMs: TIME_TO_READ_MS },
      );
      const scheduled = await read(system);
      await until(firstAt);
      done += count;
      await system.completed(done, seconds * 1_000 + TIMEOUT_MS);
      const end = await read(system);
      rows.push({ case: `schedule ${label}`, figures: perJob(start, scheduled, count) });
      rows.push({ case: `run ${label}`, figures: perJob(scheduled, end, count) });
    }
    return rows;
  },
};

/** Processor time first: what is idle afterwards must not count. */
async function read(system: System): Promise<Reading> {
  const cpu = cpuSeconds(system.processes());
  return { cpu, written: system.databaseUrl === undefined ? undefined : await written(system.databaseUrl) };
}

function perJob(before: Reading, after: Reading, count: number): Figures {
  const thousands = count / 1_000;
  const byProcess = [...spent(before.cpu, after.cpu)].map(([name, seconds]) => [name, seconds / thousands] as const);
  const figures: Record<string, number> = {
    cpu: byProcess.reduce((sum, [, seconds]) => sum + seconds, 0),
    ...Object.fromEntries(byProcess),
  };
  if (before.written === undefined || after.written === undefined) return figures;
  return {
    ...figures,
    rows: (after.written.rows - before.written.rows) / count,
    walBytes: (after.written.walBytes - before.written.walBytes) / count,
    transactions: (after.written.transactions - before.written.transactions) / thousands,
  };
}
