import type { Service } from '../../integration/support/service.ts';
import type { BelfrySystem } from '../systems/belfry.ts';
import { dueAt } from '../systems/system.ts';
import { until, warmUp } from './steps.ts';
import type { Figures, Workload } from './workload.ts';

const PER_SECOND = 100;
const AHEAD_MS = 5_000;
const TIMEOUT_MS = 60_000;
/** When each is killed, as a share of the load: the first loss is over before the second, in a quick run only just. */
const TIMER_DIES = 0.25;
const EXECUTOR_DIES = 0.6;
/** What was due so shortly before a kill may have been under way in the process that died. */
const UNDER_WAY_MS = 1_000;
/** Of a service that has fired, or run, at least one job. */
const HAD_A_PART = /^belfry_(fire|start)_lateness_seconds_count\{[^}]*\} [1-9]/m;

/** A row of a run; times by the database's clock, which is this machine's. */
type Run = { jobId: string; runId: string; status: string; dueAt: number; finishedAt: number | null };

export const failover: Workload<BelfrySystem> = {
  name: 'failover',
  title:
    'Two timers and two executors, 100 one-shots a second for 40 s; one timer, then one executor ends by `kill -9`, and nothing replaces it.',
  systems: 'belfry',
  columns: [
    { key: 'runs', title: 'occurrences', unit: '' },
    { key: 'completedOnce', title: 'with one run, completed', unit: '', better: 'more' },
    { key: 'events', title: 'distinct completion events', unit: '', better: 'more' },
    { key: 'amiss', title: 'without exactly one of each', unit: '', better: 'less' },
    { key: 'worstTimer', title: 'timer lost: due to finished, worst', unit: 'ms', better: 'less' },
    { key: 'worstExecutor', title: 'executor lost', unit: 'ms', better: 'less' },
  ],
  async run(system, { quick }) {
    const seconds = quick ? 20 : 40;
    const before = await warmUp(system);
    const [timer, executor] = await Promise.all([system.timer(), system.executor()]);
    const load = { count: PER_SECOND * seconds, firstAt: Date.now() + AHEAD_MS, perSecond: PER_SECOND };
    await system.schedule(
      Array.from({ length: load.count }, (_, n) => ({ jobId: `failover-${n}`, at: dueAt(load, n) })),
    );
    if (Date.now() > load.firstAt) throw new Error('scheduling took longer than planned');
    await until(load.firstAt + TIMER_DIES * seconds * 1_000);
    const timerDiedAt = await kill(timer);
    await until(load.firstAt + EXECUTOR_DIES * seconds * 1_000);
    const executorDiedAt = await kill(executor);
    await system.completed(before + load.count, seconds * 1_000 + TIMEOUT_MS);
    const runs = await runsOf(system);
    const figures = {
      ...once(load.count, runs, system.eventIds),
      worstTimer: worst(runs, timerDiedAt, executorDiedAt),
      worstExecutor: worst(runs, executorDiedAt, Infinity),
    };
    return [{ case: `${PER_SECOND}/s for ${seconds} s`, figures }];
  },
};

/** @returns when, Unix time in ms @throws Error when its loss would say nothing, since it did nothing */
async function kill(service: Service): Promise<number> {
  if (!HAD_A_PART.test(await service.metrics())) throw new Error(`${service.name} had no part in the load`);
  const at = Date.now();
  await service.kill('SIGKILL');
  return at;
}

function runsOf(system: BelfrySystem): Promise<Run[]> {
  return system.sql<Run>(
    `SELECT job_id AS "jobId", run_id AS "runId", status, scheduled_for::float8 AS "dueAt", finished_at::float8 AS "finishedAt"
     FROM belfry.runs WHERE job_id LIKE 'failover-%'`,
  );
}

/** @param eventIds of completions; each begins with its run's id */
function once(count: number, runs: readonly Run[], eventIds: ReadonlySet<string>): Figures {
  const events = Map.groupBy(eventIds, (id) => id.split(':')[0]);
  const eventsOf = ({ runId }: Run): number => events.get(runId)?.length ?? 0;
  const completed = [...Map.groupBy(runs, ({ jobId }) => jobId).values()]
    .filter((ofJob) => ofJob.length === 1)
    .flat()
    .filter(({ status }) => status === 'COMPLETED');
  return {
    runs: count,
    completedOnce: completed.length,
    events: runs.reduce((sum, run) => sum + eventsOf(run), 0),
    amiss: count - completed.filter((run) => eventsOf(run) === 1).length,
  };
}

/** How late the worst one finished that the loss at `from` may have met, or is by now; `to` is the next loss. */
function worst(runs: readonly Run[], from: number, to: number): number {
  const now = Date.now();
  const late = runs
    .filter(({ dueAt: due }) => due >= from - UNDER_WAY_MS && due < to - UNDER_WAY_MS)
    .map(({ dueAt: due, finishedAt }) => (finishedAt ?? now) - due);
  return Math.max(...late);
}
